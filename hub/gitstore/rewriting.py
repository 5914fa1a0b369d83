"""Rewriting history: the same commits without some blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pygit2
from pygit2.enums import ObjectType, SortMode

from hub.gitstore.values import POINTER_SIZE_MAX, Pointer

Keep = Callable[[pygit2.Oid], bool]


class HistoryMixin:
    """The rewriting half of `GitRepository`."""

    raw: pygit2.Repository

    def pointers(self, starts: Iterable[str]) -> dict[str, tuple[str, str, int]]:
        """Every LFS pointer reachable from the commits: sha256 → (path, blob oid, size in bytes).

        A tree is read once, however many commits hold it. The newest path of an object is given.
        """
        seen: set[pygit2.Oid] = set()
        found: dict[str, tuple[str, str, int]] = {}
        for commit in self._commits(starts):
            self._collect(commit.tree, "", seen, found)
        return found

    def _commits(self, starts: Iterable[str], *, oldest_first: bool = False) -> Iterable[pygit2.Commit]:
        mode = SortMode.TOPOLOGICAL | (SortMode.REVERSE if oldest_first else SortMode.TIME)
        walker: pygit2.Walker | None = None
        for start in starts:
            if walker is None:
                walker = self.raw.walk(pygit2.Oid(hex=start), mode)
            else:
                walker.push(pygit2.Oid(hex=start))
        return walker if walker is not None else ()

    def _collect(
        self,
        tree: pygit2.Tree,
        prefix: str,
        seen: set[pygit2.Oid],
        found: dict[str, tuple[str, str, int]],
    ) -> None:
        if tree.id in seen:
            return
        seen.add(tree.id)
        for item in tree:
            if isinstance(item, pygit2.Tree):
                self._collect(item, f"{prefix}{item.name}/", seen, found)
            elif item.type == ObjectType.BLOB and item.id not in seen:
                seen.add(item.id)
                if pointer := self._pointer(item.id):
                    found.setdefault(pointer.oid, (f"{prefix}{item.name}", str(item.id), pointer.size))

    def _pointer(self, oid: pygit2.Oid) -> Pointer | None:
        _, size = self.raw.odb.read_header(oid)
        if not 100 < size <= POINTER_SIZE_MAX:
            return None
        blob = self.raw[oid]
        return Pointer.parse(blob.data) if isinstance(blob, pygit2.Blob) else None

    def without_pointers(self, starts: Iterable[str], unwanted: frozenset[str]) -> dict[str, str]:
        """Write the history of the commits again without the pointers to some sha256s.

        Returns old commit id → new commit id for every commit; those before the first one that
        changes keep their id. No ref is moved.
        """
        trees: dict[pygit2.Oid, pygit2.Oid | None] = {}
        blobs: dict[pygit2.Oid, bool] = {}

        def keep(oid: pygit2.Oid) -> bool:
            if oid not in blobs:
                pointer = self._pointer(oid)
                blobs[oid] = pointer is None or pointer.oid not in unwanted
            return blobs[oid]

        mapped: dict[str, str] = {}
        empty = self.raw.TreeBuilder().write()
        for commit in self._commits(starts, oldest_first=True):
            tree = self._filtered(commit.tree, keep, trees) or empty
            parents = [mapped.get(str(parent), str(parent)) for parent in commit.parent_ids]
            if tree == commit.tree_id and parents == [str(parent) for parent in commit.parent_ids]:
                mapped[str(commit.id)] = str(commit.id)
                continue
            written = self.raw.create_commit(
                None, commit.author, commit.committer, commit.message, tree, list(parents)
            )
            mapped[str(commit.id)] = str(written)
        return mapped

    def _filtered(
        self, tree: pygit2.Tree, keep: Keep, known: dict[pygit2.Oid, pygit2.Oid | None]
    ) -> pygit2.Oid | None:
        if tree.id in known:
            return known[tree.id]
        builder = self.raw.TreeBuilder(tree)
        for item in tree:
            name = item.name
            assert name is not None
            if isinstance(item, pygit2.Tree):
                below = self._filtered(item, keep, known)
                if below is None:
                    builder.remove(name)
                elif below != item.id:
                    builder.insert(name, below, item.filemode)
            elif item.type == ObjectType.BLOB and not keep(item.id):
                builder.remove(name)
        result = builder.write() if len(builder) else None
        known[tree.id] = result
        return result
