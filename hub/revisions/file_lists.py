"""The files of a branch as it moves from commit to commit. Only what differs is read from git."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.gitstore import Entry, GitRepository, Pointer, RevisionNotFound

# Stands for bytes that are not UTF-8; two names can look the same by it.
UNCLEAR = "\ufffd"


class FileList:
    """The files at one commit, brought to another by the difference of the two trees."""

    def __init__(self, git: GitRepository) -> None:
        self.git = git
        self.commit = ""
        self.files: dict[str, Entry] = {}

    def remember(self, commit: str, siblings: Iterable[Any] | None) -> None:
        """Begin with the list that the index has of a commit (`indexing.Sibling`), if it has one."""
        if not commit or siblings is None:
            return
        files = {row[0]: _entry(*row) for row in siblings}
        if not any(UNCLEAR in path for path in files):
            self.commit, self.files = commit, files

    def at(self, commit: str) -> list[Entry]:
        """The files of a commit, sorted by path. Raises: RevisionNotFound."""
        if not self._move_to(commit):
            found = [entry for entry in self.git.entries(commit, recursive=True) if entry.is_file]
            files = {entry.path: entry for entry in found}
            is_clear = len(files) == len(found) and not any(UNCLEAR in path for path in files)
            self.commit, self.files = (commit, files) if is_clear else ("", {})
            return found
        return [self.files[path] for path in sorted(self.files)]

    def _move_to(self, commit: str) -> bool:
        """False: the difference does not tell, and the whole tree must be read."""
        if not self.commit:
            return False
        try:
            changed = self.git.changed_items(self.commit, commit)
        except RevisionNotFound:
            # Rewriting history may have removed the commit that the index knows.
            return False
        for path, item in changed:
            if UNCLEAR in path:
                return False
            if item is None:
                self.files.pop(path, None)
            else:
                self.files[path] = self.git.sized(item)
        self.commit = commit
        return True


def _entry(path: str, size: int, oid: str, pointer: str | None, pointer_size: int | None) -> Entry:
    if pointer is None or pointer_size is None:
        return Entry(path=path, kind="file", oid=oid, size=size)
    return Entry(path=path, kind="file", oid=oid, size=pointer_size, pointer=Pointer(oid=pointer, size=size))
