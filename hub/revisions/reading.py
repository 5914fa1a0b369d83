"""Reads of commits, entries and bytes for doors, which have checked that their actor may read the content."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from hub.accounts.principals import Principal
from hub.gitstore import Commit, Entry, FileChange, TreeItem, open_repository
from hub.repos import policies
from hub.repos.models import Repository
from hub.revisions import selectors
from hub.revisions.selectors import git_of


def get_commit(repository: Repository, oid: str) -> Commit:
    """Raises: RevisionNotFound."""
    return git_of(repository).commit(oid)


def commits(repository: Repository, oids: Collection[str]) -> dict[str, Commit]:
    """Id → commit, each read once. Raises: RevisionNotFound."""
    git = git_of(repository)
    return {oid: git.commit(oid) for oid in dict.fromkeys(oids)}


def get_entry(repository: Repository, commit: str, path: str) -> Entry:
    """The file or folder at a path; the root is "". Raises: EntryNotFound."""
    return git_of(repository).entry(commit, path)


def find_entry(repository: Repository, commit: str, path: str) -> Entry | None:
    return git_of(repository).find_entry(commit, path)


def sized(repository: Repository, items: Iterable[TreeItem]) -> Iterator[Entry]:
    """The items of a list with their sizes, which costs a read for each file."""
    return map(git_of(repository).sized, items)


def list_files(repository: Repository, commit: str, *, files_max: int) -> list[TreeItem] | None:
    """All files of a commit, without sizes; None if there are more than `files_max`."""
    files = (item for item in git_of(repository).items(commit, recursive=True) if item.is_file)
    listed = list(islice(files, files_max + 1))
    return listed if len(listed) <= files_max else None


def read_blob(repository: Repository, entry: Entry) -> bytes:
    """The bytes that git holds for a file: its content, or the pointer to its large object."""
    return git_of(repository).read(entry.oid)


def sha256_of(repository: Repository, entry: Entry) -> str:
    """The SHA-256 of a file's content. Git identifies small files by another hash, so their SHA-256 is
    computed, once each.
    """
    return entry.pointer.oid if entry.pointer else _blob_sha256(repository.storage, entry.oid)


@lru_cache(maxsize=100_000)
def _blob_sha256(storage: str, oid: str) -> str:
    digest = hashlib.sha256()
    for chunk in open_repository(storage).stream(oid):
        digest.update(chunk)
    return digest.hexdigest()


class Compared(NamedTuple):
    """Two commits to compare; `base` is None where they have no common history."""

    base: str | None
    head: str


def compare(*, actor: Principal, repository: Repository, base: str, head: str, since_fork: bool) -> Compared:
    """The commits of two revisions; an empty name is the default branch.

    `since_fork` takes what both have in common instead of the base itself. Raises: RevisionNotFound, and what
    `require_content` raises.
    """
    policies.require_content(actor, repository)
    new = selectors.resolve(repository, head or repository.default_branch)
    old = selectors.resolve(repository, base or repository.default_branch)
    return Compared(git_of(repository).merge_base(old, new) if since_fork else old, new)


def changes(repository: Repository, base: str | None, head: str) -> list[FileChange]:
    """The changes of `head` against `base`, with patches; all of `head` if `base` is None."""
    return git_of(repository).diff(base, head, with_patch=True)


def patch_text(repository: Repository, base: str | None, head: str) -> str:
    """The same as the text of one diff."""
    return git_of(repository).patch_text(base, head)
