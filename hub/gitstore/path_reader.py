"""Many paths of one commit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pygit2

from hub.gitstore import names
from hub.gitstore.errors import EntryNotFound, RevisionNotFound
from hub.gitstore.repository import GitRepository
from hub.gitstore.values import Entry


@dataclass(slots=True)
class _Folder:
    tree: pygit2.Tree
    # Folders in it that paths led through; None for a name that is no folder.
    below: dict[str, _Folder | None] = field(default_factory=dict)
    # The names that are not UTF-8, as they are shown → as the git library takes them.
    unusual: dict[str, str] | None = None

    def child(self, name: str) -> pygit2.Object | None:
        # The git library ends a name at NUL.
        if not name or "\0" in name:
            return None
        try:
            if name in self.tree:
                return self.tree[name]
        except UnicodeEncodeError:
            return None
        if names.REPLACEMENT not in name:
            return None
        if self.unusual is None:
            self.unusual = names.unusual_names(self.tree)
        stored = self.unusual.get(name)
        return self.tree[stored] if stored is not None else None

    def folder(self, name: str) -> _Folder | None:
        if name not in self.below:
            found = self.child(name)
            self.below[name] = _Folder(found) if isinstance(found, pygit2.Tree) else None
        return self.below[name]


class PathReader:
    """Finds paths of one commit. Each folder is opened once, however many of the paths lead through it.

    The git library opens all folders on the way anew for each path, and keeps none that is large: a thousand
    paths in a folder of ten thousand files would cost as many megabytes as files.
    """

    def __init__(self, git: GitRepository, commit: str) -> None:
        """Raises: RevisionNotFound."""
        found: object = git.raw.get(commit)
        if not isinstance(found, pygit2.Commit):
            raise RevisionNotFound(revision=commit)
        self._git = git
        self._commit = commit
        self._root = _Folder(found.tree)

    def find(self, path: str) -> Entry | None:
        """The file or folder at a path; None where there is none."""
        folder, name = self._root, path
        if not path:
            return self._git.entry(self._commit, "")
        while "/" in name:
            first, _, name = name.partition("/")
            below = folder.folder(first)
            if below is None:
                return None
            folder = below
        found = folder.child(name)
        return None if found is None else self._git.entry_of(found, path)

    def get(self, path: str) -> Entry:
        """As `find`. Raises: EntryNotFound."""
        found = self.find(path)
        if found is None:
            raise EntryNotFound(path=path)
        return found
