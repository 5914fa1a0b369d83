"""Addresses that end in a revision and a path: `main/README.md`, `refs/pr/1/b.bin`, `release/2/README.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from foundation.hex_digits import SHA1
from hub.repos.models import Repository
from hub.revisions import refs, selectors

# A revision has at most so many segments; each one costs a look-up.
SEGMENTS_MAX = 16


@dataclass(frozen=True, slots=True)
class RevisionPath:
    """The end of an address, decoded. `revision` is given where the address itself marks its end: by an
    escaped slash in the first segment (`refs%2Fpr%2F1/README.md`). Then `text` is the path alone.
    """

    text: str
    revision: str = ""


class Location(NamedTuple):
    """The revision as it was named, the commit that it leads to, and the path; `""` is the root."""

    revision: str
    commit: str
    path: str


def locate(repository: Repository, where: RevisionPath) -> Location:
    """Divide the end of an address: the longest branch, tag or full ref that is a prefix of it is the
    revision, else its first segment is. Raises: RevisionNotFound.
    """
    if where.revision:
        return Location(where.revision, selectors.resolve(repository, where.revision), where.text)
    first, _, rest = where.text.partition("/")
    if first == repository.default_branch and _is_the_default(repository):
        return Location(first, repository.head_sha, rest)
    if not SHA1.fullmatch(first) and (found := _longest_ref(repository, where.text.split("/"))):
        return found
    return Location(first, selectors.resolve(repository, first), rest)


def _is_the_default(repository: Repository) -> bool:
    """True if an address that begins with the default branch names it: no longer name of a ref does.

    Then no query is needed. Branches below another branch cannot be.
    """
    is_known = bool(repository.head_sha and repository.refs_version)
    return is_known and not repository.has_tags_below_default


def _longest_ref(repository: Repository, parts: list[str]) -> Location | None:
    """The location by the longest ref that begins the address; a branch wins over a tag of its name."""
    names = ["/".join(parts[:number]) for number in range(1, min(len(parts), SEGMENTS_MAX) + 1)]
    by_ref = {
        folder + name: name
        for name in names
        for folder in (("",) if name.startswith("refs/") else ("refs/heads/", "refs/tags/"))
    }
    found = refs.commits_of(repository, by_ref.keys())
    longest = max((ref for ref in by_ref if ref in found), key=lambda ref: len(by_ref[ref]), default=None)
    if longest is None:
        return None
    rest = "/".join(parts)[len(by_ref[longest]) + 1 :]
    return Location(by_ref[longest], found[longest], rest)
