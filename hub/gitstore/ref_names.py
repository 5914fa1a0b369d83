"""The names of the refs of one repository, and whether a further one fits beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from foundation.errors import Refusal
from hub.gitstore.errors import InvalidRefName, RefExists, TooManyBranches
from hub.gitstore.paths import is_ref_name

# Branches and tags of a repository, which every list of them reads. Those of pull requests are not its own.
BRANCHES_MAX = 10_000


def is_branch_or_tag(ref: str) -> bool:
    return ref.startswith(("refs/heads/", "refs/tags/"))


class RefNames:
    """Git keeps refs as files, so that `a` and `a/b` cannot both exist."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._folders: Counter[str] = Counter()
        # The number of branches and tags.
        self.branches = 0
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        if name not in self._names:
            self._names.add(name)
            self._folders.update(_folders_of(name))
            self.branches += is_branch_or_tag(name)

    def remove(self, name: str) -> None:
        if name in self._names:
            self._names.remove(name)
            self._folders.subtract(_folders_of(name))
            self.branches -= is_branch_or_tag(name)

    def refusal_of(self, name: str) -> Refusal | None:
        """The refusal of a new ref of this name; None if it may be made.

        It is InvalidRefName, RefExists or TooManyBranches.
        """
        if not is_ref_name(name):
            return InvalidRefName(name=name[:200].encode(errors="replace").decode(), what="ref")
        if is_branch_or_tag(name) and self.branches >= BRANCHES_MAX:
            return TooManyBranches(limit=BRANCHES_MAX)
        other = self._in_the_way_of(name)
        return RefExists(ref=other) if other is not None else None

    def _in_the_way_of(self, name: str) -> str | None:
        """The ref that keeps a new one of this name out: the same, or one above or below it."""
        if name in self._names:
            return name
        for folder in _folders_of(name):
            if folder in self._names:
                return folder
        if self._folders[name] > 0:
            return next(other for other in sorted(self._names) if other.startswith(f"{name}/"))
        return None


def _folders_of(name: str) -> Iterator[str]:
    at = name.rfind("/")
    while at > 0:
        yield name[:at]
        at = name.rfind("/", 0, at)
