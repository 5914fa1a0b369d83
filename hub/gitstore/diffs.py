"""What differs between two commits, and whether they can be merged."""

from __future__ import annotations

from typing import Literal

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption, FileMode

from hub.gitstore.values import POINTER_SIZE_MAX, POINTER_SIZE_MIN, Entry, FileChange, Pointer

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
RENAME_LIMIT = 400


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
            diff.find_similar(DiffFind.FIND_RENAMES, rename_limit=RENAME_LIMIT)
        return diff

    def diff(
        self, old: str | None, new: str, *, with_patch: bool = False, renames: bool = True
    ) -> list[FileChange]:
        """Files that differ between two commits (`old` None: the empty tree), at most 3,000."""
        changes: list[FileChange] = []
        lines = 0
        diff = self._raw_diff(old, new, renames=renames)
        for number, delta in enumerate(diff.deltas):
            if number >= FILES_MAX:
                break
            status = STATUS.get(delta.status)
            if status is None:
                continue
            additions = deletions = 0
            patch = ""
            if with_patch and lines < PATCH_LINES_MAX:
                piece = diff[number]
                if piece is not None:
                    _, additions, deletions = piece.line_stats
                    lines += additions + deletions
                    patch = (piece.data or b"").decode(errors="replace")
            changes.append(
                FileChange(
                    path=delta.new_file.path,
                    old_path=delta.old_file.path,
                    status=status,
                    old=None if status == "added" else self._side(delta.old_file),
                    new=None if status == "deleted" else self._side(delta.new_file),
                    additions=additions,
                    deletions=deletions,
                    patch=patch,
                    is_binary=bool(delta.is_binary),
                )
            )
        return changes

    def patch_text(self, old: str | None, new: str, *, bytes_max: int = 2_000_000) -> str:
        """The unified diff, as `git diff` prints it, cut at `bytes_max`."""
        text = self._raw_diff(old, new, renames=True).patch or ""
        return text if len(text) <= bytes_max else text[:bytes_max] + "\n[diff cut]\n"

    def _side(self, file: pygit2.DiffFile) -> Entry:
        if int(file.mode) == FileMode.COMMIT:
            return Entry(path=file.path, kind="submodule", oid=str(file.id), mode=int(file.mode))
        _, size = self.raw.odb.read_header(file.id)
        pointer = None
        if POINTER_SIZE_MIN < size <= POINTER_SIZE_MAX:
            blob = self.raw[file.id]
            pointer = Pointer.parse(blob.data) if isinstance(blob, pygit2.Blob) else None
        return Entry(
            path=file.path, kind="file", oid=str(file.id), size=size, mode=int(file.mode), pointer=pointer
        )

    def conflicts(self, ours: str, theirs: str) -> list[str]:
        """Paths that a merge of the two commits cannot settle by itself."""
        index = self.raw.merge_commits(ours, theirs)
        if index.conflicts is None:
            return []
        paths = {side.path for conflict in index.conflicts for side in conflict if side is not None}
        return sorted(paths)
