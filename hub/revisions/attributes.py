"""Which paths `.gitattributes` gives to git-lfs, and which `.gitignore` leaves out."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

from hub.gitstore import EntryNotFound, GitRepository
from hub.repos.attributes import COMMON

ATTRIBUTES_BYTES_MAX = 1 << 20


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    """A gitattributes/gitignore pattern as a regular expression over whole paths.

    Source: gitignore(5), "PATTERN FORMAT": no slash → any level; leading or inner slash → from the
    root; `**` crosses levels, `*` and `?` do not.
    """
    anchored = "/" in text.rstrip("/")
    text = text.strip("/")
    pieces = []
    position = 0
    while position < len(text):
        if text.startswith("**/", position):
            pieces.append("(?:.*/)?")
            position += 3
        elif text.startswith("**", position):
            pieces.append(".*")
            position += 2
        elif text[position] == "*":
            pieces.append("[^/]*")
            position += 1
        elif text[position] == "?":
            pieces.append("[^/]")
            position += 1
        elif text[position] == "[" and "]" in text[position + 2 :]:
            end = text.index("]", position + 2) + 1
            pieces.append(fnmatch.translate(text[position:end]).removeprefix("(?s:").removesuffix(r")\Z"))
            position = end
        else:
            if text[position] == "\\" and position + 1 < len(text):
                position += 1
            pieces.append(re.escape(text[position]))
            position += 1
    prefix = "" if anchored else "(?:.*/)?"
    return re.compile(prefix + "".join(pieces), re.DOTALL)


def parse_attributes(text: str) -> list[tuple[str, bool]]:
    """(pattern, goes to LFS) for each line that says anything about the `filter` attribute, in order."""
    rules = []
    for line in text.splitlines():
        pattern, *attributes = line.split()[:20] or [""]
        if not pattern or pattern.startswith(("#", "[")):
            continue
        pattern = pattern.strip('"').replace("[[:space:]]", " ")
        for attribute in attributes:
            if attribute.startswith("filter="):
                rules.append((pattern, attribute == "filter=lfs"))
            elif attribute in {"-filter", "!filter"}:
                rules.append((pattern, False))
    return rules


def matches(rules: list[tuple[str, bool]], path: str) -> bool:
    """The last rule that matches decides, as in git."""
    return next((is_lfs for pattern, is_lfs in reversed(rules) if _pattern(pattern).fullmatch(path)), False)


@lru_cache(maxsize=512)
def _rules(git: GitRepository, blob: str) -> list[tuple[str, bool]]:
    return parse_attributes(git.read(blob)[:ATTRIBUTES_BYTES_MAX].decode(errors="replace"))


DEFAULT_RULES = [(pattern, True) for pattern in COMMON]


def rules_at(git: GitRepository, commit: str | None) -> list[tuple[str, bool]]:
    """The rules of the root `.gitattributes` at a commit; none there means no rule."""
    if commit is None:
        return DEFAULT_RULES
    try:
        entry = git.entry(commit, ".gitattributes")
    except EntryNotFound:
        return []
    return _rules(git, entry.oid) if entry.is_file else []


def is_lfs_path(git: GitRepository, commit: str | None, path: str) -> bool:
    return matches(rules_at(git, commit), path)


def ignored(gitignore: str, path: str) -> bool:
    """Whether a `.gitignore` text leaves this file out, itself or through one of its folders."""
    verdict = False
    parts = path.split("/")
    candidates = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for line in gitignore.splitlines():
        pattern = line.rstrip()
        if not pattern or pattern.startswith("#"):
            continue
        negated = pattern.startswith("!")
        pattern = pattern[1:] if negated else pattern
        only_folders = pattern.endswith("/")
        if not pattern.strip("/"):
            continue
        targets = candidates[:-1] if only_folders else candidates
        if any(_pattern(pattern.rstrip("/")).fullmatch(target) for target in targets):
            verdict = not negated
    return verdict
