"""Look-ups in a repository of pygit2, with the types that its own declarations leave out."""

from __future__ import annotations

from typing import Any

import pygit2

from hub.gitstore.errors import ObjectNotVisible

# The errors of reading an object that is missing or damaged.
UNREADABLE = (KeyError, ValueError, OSError, pygit2.GitError, ObjectNotVisible)


def find_commit(raw: pygit2.Repository, oid: str | pygit2.Oid) -> pygit2.Commit | None:
    """The commit of that id; None if there is no such object or it is no commit.

    Raises: ValueError if `oid` is no id.
    """
    found: Any = raw.get(oid)  # declared as an object that can be no commit
    return found if isinstance(found, pygit2.Commit) else None


def commit_behind(raw: pygit2.Repository, oid: str) -> str | None:
    """The commit that an object is, or leads to as an annotated tag; None if there is none."""
    try:
        return str(raw[oid].peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.InvalidSpecError, pygit2.GitError):
        return None


def commit_named(raw: pygit2.Repository, oid: str) -> str | None:
    """The commit that an object is, or leads to as an annotated tag; None if it leads to something else.

    An object that cannot be read counts as that commit: it may be put back.
    """
    last = oid
    try:
        found: object = raw[oid]
        while isinstance(found, pygit2.Tag):
            last = str(found.target)
            found = raw[last]
    except UNREADABLE:
        return last
    return last if isinstance(found, pygit2.Commit) else None
