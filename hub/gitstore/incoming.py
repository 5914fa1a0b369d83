"""Looking at the objects of a push before they are let in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from hub.gitstore import names
from hub.gitstore.extents import ExtentReader, TooLarge
from hub.gitstore.folders import folder_of
from hub.gitstore.objects import commit_behind
from hub.gitstore.values import POINTER_SIZE_MAX, Pointer

COMMITS_SEARCHED_MAX = 2_000
NAMES_LISTED_MAX = 5
MODE_DIGITS_SHOWN = 12
POINTER_SIZE_MIN = 100
# A commit or an annotated tag with its message. Lists of commits read it whole.
RECORD_BYTES_MAX = 256 * 1024
# All new trees of a push, unpacked: each is read.
TREE_BYTES_MAX = 4 * 1024**3


@dataclass(slots=True)
class Contents:
    """The content of a push: LFS pointers (blob → pointer), blobs too large for git (blob → bytes), total
    bytes.
    """

    pointers: dict[str, Pointer] = field(default_factory=dict)
    large: dict[str, int] = field(default_factory=dict)
    blob_bytes: int = 0
    # Names that no file of the hub may have, as text → why.
    bad_names: dict[str, names.Problem] = field(default_factory=dict)
    # Names of entries that git would not write, as text → their mode.
    bad_modes: dict[str, str] = field(default_factory=dict)
    # True if a tree has more files than allowed; the rest is then not read.
    is_tree_too_large: bool = False
    # Commits and tags above RECORD_BYTES_MAX → bytes.
    long_records: dict[str, int] = field(default_factory=dict)


class Incoming:
    """The objects of one push, in quarantine, and the repository that they would join."""

    def __init__(self, storage: str, objects: Path | None) -> None:
        # A separate handle: a cached one must not learn of objects that may be discarded.
        self._repo = pygit2.Repository(str(folder_of(storage)))
        self._known = self._repo.odb
        self._new = pygit2.Odb(str(objects)) if objects is not None else None
        if objects is not None:
            self._with_new = pygit2.Repository(str(folder_of(storage)))
            self._with_new.odb.add_disk_alternate(str(objects))
        else:
            self._with_new = self._repo

    def contents(self, *, large_above: int, tree_entries_max: int) -> Contents:
        """Look at every object that the repository does not have yet. Only trees and small blobs are read."""
        found = Contents()
        if self._new is None:
            return found
        extents = ExtentReader(self._tree, tree_entries_max)
        tree_bytes = 0
        for oid in self._new:
            kind, size = self._new.read_header(oid)
            if oid in self._known:
                continue
            if kind in {ObjectType.COMMIT, ObjectType.TAG} and size > RECORD_BYTES_MAX:
                found.long_records[str(oid)] = size
            if kind == ObjectType.TREE:
                tree_bytes += size
                if tree_bytes > TREE_BYTES_MAX or not self._look_at_tree(oid, extents, found):
                    found.is_tree_too_large = True
                    return found
            if kind != ObjectType.BLOB:
                continue
            found.blob_bytes += size
            if size > large_above:
                found.large[str(oid)] = size
            elif POINTER_SIZE_MIN < size <= POINTER_SIZE_MAX:
                _, data = self._new.read(oid)[:2]
                if pointer := Pointer.parse(data):
                    found.pointers[str(oid)] = pointer
        return found

    def _tree(self, oid: bytes) -> bytes | None:
        """A tree object's content, whether it is new or not."""
        try:
            kind, data = self._with_new.odb.read(pygit2.Oid(raw=oid))[:2]
        except KeyError:
            return None
        return data if kind == ObjectType.TREE else None

    def _look_at_tree(self, oid: pygit2.Oid, extents: ExtentReader, found: Contents) -> bool:
        """Record bad names and modes in a new tree; false if it expands to too many entries."""
        try:
            extents.extent_of(oid.raw)
        except TooLarge:
            return False
        for mode, name, _ in names.entries_in(self._tree(oid.raw) or b""):
            if not names.is_usual_mode(mode) and len(found.bad_modes) < NAMES_LISTED_MAX:
                found.bad_modes[names.quoted(name)] = mode.decode()[:MODE_DIGITS_SHOWN]
            problem = names.problem_of(name)
            if problem is not None and len(found.bad_names) < NAMES_LISTED_MAX:
                found.bad_names[names.quoted(name)] = problem
        return True

    def commit_behind(self, oid: str) -> str | None:
        """The commit that an object, new or not, is or leads to as an annotated tag; None without one."""
        return commit_behind(self._with_new, oid)

    def paths_of(self, blobs: Iterable[str], tips: Iterable[str]) -> dict[str, str]:
        """Paths of blobs in the pushed commits, for messages; blobs that are not found soon are left out."""
        wanted = set(blobs)
        found: dict[str, str] = {}
        seen: set[pygit2.Oid] = set()
        walker: pygit2.Walker | None = None
        for tip in tips:
            commit = self._with_new[tip].peel(pygit2.Commit)
            if walker is None:
                walker = self._with_new.walk(commit.id)
            else:
                walker.push(commit.id)
        for number, commit in enumerate(walker or ()):
            if not wanted or number >= COMMITS_SEARCHED_MAX:
                break
            self._search(commit.tree, "", wanted, found, seen)
        return found

    def _search(
        self, tree: pygit2.Tree, prefix: str, wanted: set[str], found: dict[str, str], seen: set[pygit2.Oid]
    ) -> None:
        if tree.id in seen:
            return
        seen.add(tree.id)
        for item in tree:
            oid = str(item.id)
            if isinstance(item, pygit2.Tree):
                self._search(item, f"{prefix}{item.name}/", wanted, found, seen)
            elif oid in wanted:
                wanted.discard(oid)
                found[oid] = f"{prefix}{item.name}"
