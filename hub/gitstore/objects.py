"""Look-ups in a repository of pygit2, with the types that its own declarations leave out."""

from __future__ import annotations

from typing import Any

import pygit2


def find_commit(raw: pygit2.Repository, oid: str | pygit2.Oid) -> pygit2.Commit | None:
    """The commit of that id; None if there is no such object or it is no commit.

    Raises: ValueError if `oid` is no id.
    """
    found: Any = raw.get(oid)  # declared as an object that can be no commit
    return found if isinstance(found, pygit2.Commit) else None


def find_reference(raw: pygit2.Repository, name: str) -> pygit2.Reference:
    """The ref with exactly this full name.

    libgit2 also finds `refs/heads/main` as `refs/heads//main`, and moves and deletes it so. Then every rule
    that compares names would be passed by. Raises: KeyError, ValueError, pygit2.GitError.
    """
    reference = raw.lookup_reference(name)
    if reference.name != name:
        raise KeyError(name)
    return reference
