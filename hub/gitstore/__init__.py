"""Bare git repositories on disk, read and written in process.

`open_repository(storage)` gives a `GitRepository`; everything that comes back is a plain value
(`hub.gitstore.values`), so that no room above this one holds a libgit2 object.
"""

from hub.gitstore.errors import (
    EntryNotFound,
    InvalidPath,
    InvalidRefName,
    RefChanged,
    RefExists,
    RevisionNotFound,
)
from hub.gitstore.folders import (
    copy_repository,
    create_repository,
    delete_repository,
    folder_of,
    idle_folders,
)
from hub.gitstore.objects import UNREADABLE
from hub.gitstore.paths import is_ref_name
from hub.gitstore.repository import GitRepository, open_repository
from hub.gitstore.values import Author, Commit, Entry, FileChange, Pointer, Ref, RefUpdate, TreeItem

__all__ = [
    "UNREADABLE",
    "Author",
    "Commit",
    "Entry",
    "EntryNotFound",
    "FileChange",
    "GitRepository",
    "InvalidPath",
    "InvalidRefName",
    "Pointer",
    "Ref",
    "RefChanged",
    "RefExists",
    "RefUpdate",
    "RevisionNotFound",
    "TreeItem",
    "copy_repository",
    "create_repository",
    "delete_repository",
    "folder_of",
    "idle_folders",
    "is_ref_name",
    "open_repository",
]
