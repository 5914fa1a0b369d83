"""Differences of two commits, and whether they can be merged."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Literal

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption, FileMode, MergeFlag

from hub.gitstore import names
from hub.gitstore.errors import RevisionNotFound
from hub.gitstore.objects import find_commit
from hub.gitstore.values import (
    POINTER_SIZE_MAX,
    POINTER_SIZE_MIN,
    Entry,
    FileChange,
    Pointer,
    TreeItem,
)

STATUS: dict[int, Literal["added", "deleted", "modified", "renamed"]] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.TYPECHANGE: "modified",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.COPIED: "added",
}
FILES_MAX = 3_000
PATCH_LINES_MAX = 20_000
# Larger files are not compared line by line, and so many bytes of files are in one diff.
PATCH_FILE_BYTES_MAX = 1 << 20
PATCH_BYTES_MAX = 16 << 20
# Processor time for comparing: lines that repeat cost much more than others.
PATCH_SECONDS = 2.0
# Files that both sides of a merge changed, together. A MiB of lines that repeat takes two seconds.
MERGE_BYTES_MAX = 1 << 20
# Renames of changed files are looked for among so many files of so many bytes; beyond, only exact ones.
RENAME_LIMIT = 400
RENAME_BYTES_MAX = 16 << 20
TOO_LARGE = "diff --git a/{old} b/{new}\nBinary files a/{old} and b/{new} differ\n"


class DiffMixin:
    """The comparing half of `GitRepository`."""

    raw: pygit2.Repository

    def _raw_diff(self, old: str | None, new: str, *, renames: bool) -> pygit2.Diff:
        new_tree = self.raw[new].peel(pygit2.Tree)
        if old is None:
            diff = new_tree.diff_to_tree(swap=True, flags=DiffOption.INCLUDE_TYPECHANGE)
        else:
            diff = self.raw[old].peel(pygit2.Tree).diff_to_tree(new_tree, flags=DiffOption.INCLUDE_TYPECHANGE)
        if renames:
            moved = (
                delta for delta in diff.deltas if delta.status in {DeltaStatus.ADDED, DeltaStatus.DELETED}
            )
            exact = DiffFind.FIND_EXACT_MATCH_ONLY if self._bytes_of(moved) > RENAME_BYTES_MAX else 0
            diff.find_similar(DiffFind.FIND_RENAMES | exact, rename_limit=RENAME_LIMIT)
        return diff

    def _bytes_of(self, deltas: Iterable[pygit2.DiffDelta]) -> int:
        """The bytes of both sides of files, counted only as far as it matters."""
        total = 0
        for delta in islice(deltas, 2 * RENAME_LIMIT):
            total += sum(self._size(side) for side in (delta.old_file, delta.new_file))
        return total

    def _size(self, file: pygit2.DiffFile) -> int:
        """0 for a side that is not there and for a submodule."""
        if not int(file.mode) or int(file.mode) == FileMode.COMMIT:
            return 0
        return int(self.raw.odb.read_header(file.id)[1])

    def diff(
        self, old: str | None, new: str, *, with_patch: bool = False, renames: bool = True
    ) -> list[FileChange]:
        """Files that differ between two commits (`old` None: the empty tree), at most 3,000.

        Files are compared in their order until one of the limits is reached. Of the others it is not known
        whether they are binary: libgit2 compares a file whole to tell.
        """
        changes: list[FileChange] = []
        ends_at = time.thread_time() + PATCH_SECONDS
        lines, size_left = 0, PATCH_BYTES_MAX
        diff = self._raw_diff(old, new, renames=renames)
        for number, delta in enumerate(diff.deltas):
            if number >= FILES_MAX:
                break
            status = STATUS.get(delta.status)
            if status is None:
                continue
            additions = deletions = 0
            patch, is_binary = "", False
            size = max(self._size(delta.old_file), self._size(delta.new_file)) if with_patch else 0
            is_open = with_patch and lines < PATCH_LINES_MAX and time.thread_time() < ends_at
            if (
                is_open
                and size <= min(PATCH_FILE_BYTES_MAX, size_left)
                and (piece := diff[number]) is not None
            ):
                size_left -= size
                _, additions, deletions = piece.line_stats
                lines += additions + deletions
                patch = (piece.data or b"").decode(errors="replace")
                is_binary = bool(piece.delta.is_binary)
            changes.append(
                FileChange(
                    path=names.shown(delta.new_file.path),
                    old_path=names.shown(delta.old_file.path),
                    status=status,
                    old=None if status == "added" else self._side(delta.old_file),
                    new=None if status == "deleted" else self._side(delta.new_file),
                    additions=additions,
                    deletions=deletions,
                    patch=patch,
                    is_binary=is_binary,
                )
            )
        return changes

    def changed_items(self, old: str, new: str) -> list[tuple[str, TreeItem | None]]:
        """(path, the file there now) for every file that differs; None: there is no file there any more.

        Reads the trees that differ, and no file. Raises: RevisionNotFound.
        """
        for commit in (old, new):
            if find_commit(self.raw, commit) is None:
                raise RevisionNotFound(revision=commit)
        found: dict[str, TreeItem | None] = {}
        for delta in self._raw_diff(old, new, renames=False).deltas:
            side = delta.old_file if delta.status == DeltaStatus.DELETED else delta.new_file
            path, mode = side.raw_path.decode(errors="replace"), int(side.mode)
            if delta.status == DeltaStatus.DELETED or mode == FileMode.COMMIT:
                found.setdefault(path, None)
            else:
                found[path] = TreeItem(path=path, kind="file", oid=str(side.id), mode=mode)
        return list(found.items())

    def patch_text(self, old: str | None, new: str, *, bytes_max: int = 2_000_000) -> str:
        """The unified diff, as `git diff` prints it, cut at `bytes_max`.

        Files above 1 MiB are said to differ, as binary ones are, and so is the rest of what takes long.
        """
        found: list[str] = []
        left = bytes_max
        ends_at = time.thread_time() + PATCH_SECONDS
        diff = self._raw_diff(old, new, renames=True)
        for number, delta in enumerate(diff.deltas):
            if left <= 0:
                return "".join(found)[:bytes_max] + "\n[diff cut]\n"
            text = TOO_LARGE.format(
                old=names.shown(delta.old_file.path), new=names.shown(delta.new_file.path)
            )
            size = max(self._size(delta.old_file), self._size(delta.new_file))
            if size <= PATCH_FILE_BYTES_MAX and time.thread_time() < ends_at:
                piece = diff[number]
                text = (piece.data or b"").decode(errors="replace") if piece is not None else ""
            found.append(text)
            left -= len(text)
        whole = "".join(found)
        return whole if len(whole) <= bytes_max else whole[:bytes_max] + "\n[diff cut]\n"

    def _side(self, file: pygit2.DiffFile) -> Entry:
        if int(file.mode) == FileMode.COMMIT:
            return Entry(path=names.shown(file.path), kind="submodule", oid=str(file.id), mode=int(file.mode))
        _, size = self.raw.odb.read_header(file.id)
        pointer = None
        if POINTER_SIZE_MIN < size <= POINTER_SIZE_MAX:
            blob = self.raw[file.id]
            pointer = Pointer.parse(blob.data) if isinstance(blob, pygit2.Blob) else None
        return Entry(
            path=names.shown(file.path),
            kind="file",
            oid=str(file.id),
            size=size,
            mode=int(file.mode),
            pointer=pointer,
        )

    def merged(self, ours: str, theirs: str) -> tuple[pygit2.Index | None, list[str]]:
        """The files of both commits merged, or None and the paths that would have to be compared for it and
        are too large together.

        Of renamed files it is only known where little has changed: libgit2 compares files to find them.
        """
        base = self.raw.merge_base(ours, theirs)
        sides = [self._changed_blobs(str(base) if base else None, side) for side in (ours, theirs)]
        both = [path for path, (oid, _) in sides[0].items() if sides[1].get(path, (oid, 0))[0] != oid]
        compared = sum(max(side[path][1] for side in sides) for path in both)
        if compared > MERGE_BYTES_MAX:
            return None, sorted(names.shown(path) for path in both)
        changed = sum(size for side in sides for _, size in side.values())
        flags = MergeFlag.FIND_RENAMES if changed <= MERGE_BYTES_MAX else MergeFlag(0)
        return self.raw.merge_commits(ours, theirs, flags=flags), []

    def _changed_blobs(self, base: str | None, commit: str) -> dict[str, tuple[pygit2.Oid, int]]:
        """Path → (id, size in bytes, of the larger side) of every file that differs from the base."""
        found: dict[str, tuple[pygit2.Oid, int]] = {}
        for delta in self._raw_diff(base, commit, renames=False).deltas:
            size = max(self._size(delta.old_file), self._size(delta.new_file))
            found[delta.new_file.path] = (delta.new_file.id, size)
        return found

    def conflicts(self, ours: str, theirs: str) -> list[str]:
        """Paths that a merge of the two commits cannot settle by itself, or only at too great a cost."""
        index, too_large = self.merged(ours, theirs)
        if index is None or index.conflicts is None:
            return too_large
        paths = {
            names.shown(side.path) for conflict in index.conflicts for side in conflict if side is not None
        }
        return sorted(paths)


def text_patch(old: str, new: str) -> str:
    """A unified diff of two texts with two lines around each change."""
    patch = pygit2.Patch.create_from(
        old.encode("utf-8", "replace"), new.encode("utf-8", "replace"), context_lines=2
    )
    return (patch.data or b"").decode(errors="replace")
