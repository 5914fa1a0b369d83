"""Names of files that are not UTF-8 text.

Git keeps a name as bytes. Above this room a name is text, in which `U+FFFD` replaces bytes that are not
UTF-8. So such a file is shown, served and deleted by that text. Two names that differ only in such bytes look
the same; the first one is meant.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum

import pygit2

REPLACEMENT = "\ufffd"
# `mode SP name NUL`, then 20 bytes of an id.
_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


def shown(name: str | bytes) -> str:
    """The name as text. The git library gives bytes, or text with surrogates for bytes that are not UTF-8."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return raw.decode(errors="replace")


def stored(tree: pygit2.Tree, name: str) -> str | None:
    """The name, as the git library takes it, of the entry that is shown as `name`; None without one."""
    if name in tree:
        return name
    return unusual_names(tree).get(name) if REPLACEMENT in name else None


def unusual_names(tree: pygit2.Tree) -> dict[str, str]:
    """The names in a tree that are not UTF-8, as they are shown → as the git library takes them.

    The first of those that look the same is meant.
    """
    found: dict[str, str] = {}
    for item in tree:
        assert item.raw_name is not None
        name = shown(item.raw_name)
        if REPLACEMENT in name:
            found.setdefault(name, item.raw_name.decode("utf-8", "surrogateescape"))
    return found


def find(tree: pygit2.Tree, path: str) -> pygit2.Object:
    """The object at a path as it is shown. Raises: KeyError, ValueError, pygit2.GitError."""
    if REPLACEMENT not in path:
        return tree[path]
    found: pygit2.Object = tree
    for segment in path.split("/"):
        name = stored(found, segment) if isinstance(found, pygit2.Tree) else None
        if name is None:
            raise KeyError(path)
        assert isinstance(found, pygit2.Tree)
        found = found[name]
    return found


class Problem(Enum):
    """The reasons that a new file must not have a name."""

    NOT_UTF8 = 1
    CONTROL_CHARACTER = 2


def problem_of(name: bytes) -> Problem | None:
    """The reason that a new file must not have this name; None if it may."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return Problem.NOT_UTF8
    # Nearly every name is printable, and this is a hundred times as quick.
    if not text.isprintable() and any(unicodedata.category(character) == "Cc" for character in text):
        return Problem.CONTROL_CHARACTER
    return None


def quoted(name: bytes) -> str:
    r"""The name for a message: bytes that are no printable text as `\xe9`, at most 200 characters."""
    text = name.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)[:200]


def is_usual_mode(mode: bytes) -> bool:
    """True if git writes, or once wrote, entries of this mode: files, links, folders and submodules.

    Git's own check can only ignore all unusual modes or none, and the library that reads trees for the hub
    fails at some of them.
    """
    found = int(mode, 8)
    return found in {0o040000, 0o120000, 0o160000} or 0o100000 <= found <= 0o100777


def entries_in(tree: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """(mode, name, id) of each entry of a tree object (gitformat: "tree object")."""
    return _ENTRY.findall(tree)
