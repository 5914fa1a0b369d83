"""Making a commit: objects first, then one short transaction that moves the ref."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from pygit2.enums import FileMode

from hub.accounts.principals import Principal
from hub.gitstore import Entry, EntryNotFound, GitRepository, RefChanged, RefUpdate, RevisionNotFound
from hub.gitstore.path_reader import PathReader
from hub.gitstore.paths import path_bytes, require_path
from hub.lfs import links
from hub.repos import locking, policies
from hub.repos.locking import Recheck
from hub.repos.models import Repository
from hub.repos.services import git_author
from hub.revisions import moves, refs, selectors
from hub.revisions.errors import (
    BranchBusy,
    LfsObjectMissing,
    LfsSizeMismatch,
    NothingToDelete,
    TooManyOperations,
)
from hub.revisions.indexing import FactsReader
from hub.revisions.moves import Content
from hub.revisions.operations import (
    OPERATIONS_MAX,
    AddBlob,
    AddLfs,
    Copy,
    DeleteFile,
    DeleteFolder,
    Operation,
)

ATTEMPTS = 60
Changes = dict[str, tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class NewCommit:
    """The content of a commit. `parent` is the (abbreviated) commit that the branch must still be at.

    `only_changes`: if nothing changes, no commit is made. It is for clients that send a commit again after
    its answer was lost.
    """

    operations: Sequence[Operation]
    title: str
    body: str = ""
    parent: str | None = None
    only_changes: bool = False

    @property
    def message(self) -> str:
        title = self.title.strip() or "Update files"
        return f"{title}\n\n{self.body.strip()}\n" if self.body.strip() else f"{title}\n"


@dataclass(frozen=True, slots=True)
class Committed:
    """The result. `old` is the parent; it equals `oid` if nothing changed."""

    ref: str
    old: str
    oid: str


def commit(
    *, actor: Principal, repository: Repository, revision: str, request: NewCommit, now: datetime
) -> Committed:
    """Put a commit on a branch.

    Raises: Unauthenticated, RepositoryDenied, RepositoryArchived, RevisionNotFound, RefChanged (the
    parent is not the head any more), BranchBusy, and what `commit_to_ref` raises.
    """
    policies.require_write(actor, repository)
    ref = selectors.find_branch(repository, revision).ref
    return commit_to_ref(
        actor=actor,
        repository=repository,
        ref=ref,
        request=request,
        recheck=locking.role_recheck(actor),
        now=now,
    )


def commit_to_ref(
    *,
    actor: Principal,
    repository: Repository,
    ref: str,
    request: NewCommit,
    recheck: Recheck,
    now: datetime,
) -> Committed:
    """Put a commit on a ref; whether the actor may is settled by the caller, and under the lock by `recheck`.

    Without a parent the commit is made again on top of whatever somebody else put there meanwhile.
    Raises: InvalidPath, NothingToDelete, EntryNotFound, LfsObjectMissing, LfsSizeMismatch,
    StorageQuotaExceeded, RefChanged, BranchBusy, RevisionNotFound, TooManyOperations.
    """
    if len(request.operations) > OPERATIONS_MAX:
        raise TooManyOperations(limit=OPERATIONS_MAX)
    for operation in request.operations:
        if isinstance(operation, DeleteFile | DeleteFolder):
            # A name that could not be made any more can still be deleted.
            path_bytes(operation.path)
        else:
            require_path(operation.path)
    git = selectors.git_of(repository)
    sizes = _require_objects(actor, repository, request.operations)
    pointers = _write_pointers(git, sizes)
    # One for all attempts: each reads only what the branch has gained since the one before.
    reader = FactsReader(repository)
    content = Content(
        lfs_oids=list(sizes),
        added_bytes=sum(op.size for op in request.operations if isinstance(op, AddBlob)),
    )
    for attempt in range(ATTEMPTS):
        base = refs.commit_of(repository, ref)
        if base is None:
            raise RevisionNotFound(revision=ref)
        if request.parent and not base.startswith(request.parent.lower()):
            raise RefChanged
        changes = _changes(git, base, request.operations, pointers)
        tree = git.write_tree(base, changes)
        if request.only_changes and tree == git.commit(base).tree:
            return Committed(ref=ref, old=base, oid=base)
        oid = git.write_commit(
            tree=tree, parents=[base], message=request.message, author=git_author(actor), at=now
        )
        try:
            move_ref(
                actor=actor,
                repository=repository,
                update=RefUpdate(ref=ref, old=base, new=oid),
                recheck=recheck,
                reader=reader,
                content=content,
                now=now,
            )
        except RefChanged:
            if request.parent:
                raise
            time.sleep(random.uniform(0, 0.005 * min(attempt + 1, 10)))  # noqa: S311 - only spreads retries
            continue
        return Committed(ref=ref, old=base, oid=oid)
    raise BranchBusy(ref=ref)


def _require_objects(
    actor: Principal, repository: Repository, operations: Iterable[Operation]
) -> dict[str, int]:
    """The stored size of every large object that is named. Raises: LfsObjectMissing, LfsSizeMismatch."""
    named = [operation for operation in operations if isinstance(operation, AddLfs)]
    stored = links.usable(repository.pk, actor, [operation.oid for operation in named])
    for operation in named:
        size = stored.get(operation.oid)
        if size is None:
            raise LfsObjectMissing(oid=operation.oid, path=operation.path)
        if operation.size is not None and operation.size != size:
            raise LfsSizeMismatch(path=operation.path, size=operation.size, stored=size)
    return {operation.oid: stored[operation.oid] for operation in named}


def _write_pointers(git: GitRepository, sizes: Mapping[str, int]) -> dict[str, str]:
    """The id of each large object's pointer, which is in the repository now. `sizes` is in bytes, by oid."""
    with git.blob_writer() as blobs:
        return {
            oid: blobs.add(
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
            )
            for oid, size in sizes.items()
        }


def _changes(
    git: GitRepository, base: str, operations: Iterable[Operation], pointers: Mapping[str, str]
) -> Changes:
    """Operations, in order, as the last word on each path."""
    changes: Changes = {}
    reader = PathReader(git, base)
    for operation in operations:
        if isinstance(operation, AddBlob):
            changes[operation.path] = (operation.blob, FileMode.BLOB)
        elif isinstance(operation, AddLfs):
            changes[operation.path] = (pointers[operation.oid], FileMode.BLOB)
        elif isinstance(operation, Copy):
            changes[operation.path] = _source(reader, operation.source, changes)
        elif isinstance(operation, DeleteFolder):
            path = operation.path.rstrip("/")
            _delete_folder(git, base, path, reader.find(path), changes)
        else:
            _delete_file(git, base, operation, reader.find(operation.path), changes)
    return changes


def _source(reader: PathReader, path: str, changes: Changes) -> tuple[str, int]:
    if change := changes.get(path):
        return change
    entry = reader.get(path)
    if not entry.is_file:
        raise EntryNotFound(path=path)
    return (entry.oid, entry.mode)


def _delete_file(
    git: GitRepository, base: str, operation: DeleteFile, entry: Entry | None, changes: Changes
) -> None:
    path = operation.path
    if path in changes:
        if changes[path] is None:
            raise NothingToDelete(path=path)
        changes[path] = None
        return
    if operation.or_folder and (
        (entry is not None and entry.kind == "directory")
        or any(name.startswith(f"{path}/") for name in changes)
    ):
        _delete_folder(git, base, path, entry, changes)
        return
    if entry is None or entry.kind == "directory":
        if operation.missing_ok:
            return
        raise NothingToDelete(path=path)
    changes[path] = None


def _delete_folder(git: GitRepository, base: str, path: str, entry: Entry | None, changes: Changes) -> None:
    below = [name for name in changes if name.startswith(f"{path}/")]
    if (entry is None or entry.kind != "directory") and not below:
        raise NothingToDelete(path=path)
    for name in below:
        del changes[name]
    if entry is not None and entry.kind == "directory":
        for held in git.entries(base, path, recursive=True):
            if held.kind != "directory":
                changes[held.path] = None


def move_ref(
    *,
    actor: Principal,
    repository: Repository,
    update: RefUpdate,
    recheck: Recheck,
    reader: FactsReader | None = None,
    content: Content = moves.NOTHING,
    now: datetime,
) -> None:
    """Use case: move one ref, as `moves.move`, in a transaction of its own.

    Raises: what `lock_for_change` and `moves.move` raise.
    """
    facts = moves.facts_for(repository, [update], reader)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(repository.pk, recheck)
        moves.move(actor=actor, repository=locked, updates=[update], facts=facts, content=content, now=now)
    repository.head_sha, repository.updated_at = locked.head_sha, locked.updated_at
