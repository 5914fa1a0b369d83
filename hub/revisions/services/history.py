"""Rewriting and copying whole histories."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from hub import gitstore
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate
from hub.lfs import links
from hub.repos import locking, policies, quotas
from hub.repos import services as repos
from hub.repos.errors import RepositoryNotFound
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from hub.repos.services import git_author
from hub.repos.signals import repository_created
from hub.revisions import indexing, moves, refs, selectors
from hub.revisions.operations import DeleteFile
from hub.revisions.services.commits import NewCommit, commit_to_ref, move_ref


def super_squash(
    *,
    actor: Principal,
    repository: Repository,
    revision: str,
    message: str,
    now: datetime,
    recheck: locking.Recheck | None = None,
) -> str:
    """Leave exactly one commit on a branch, with the same tree; return its id.

    `recheck` is called under the lock, after the roles of the actor are checked again. Raises:
    RepositoryDenied, RevisionNotFound, RefChanged, and what `recheck` raises.
    """

    def recheck_all(locked: Repository) -> None:
        locking.role_recheck(actor)(locked)
        if recheck is not None:
            recheck(locked)

    policies.require_write(actor, repository)
    ref, old = selectors.find_branch(repository, revision)
    git = selectors.git_of(repository)
    squashed = git.write_commit(
        tree=git.commit(old).tree,
        parents=[],
        message=(message.strip() or "Super-squash history") + "\n",
        author=git_author(actor),
        at=now,
    )
    move_ref(
        actor=actor,
        repository=repository,
        update=RefUpdate(ref=ref, old=old, new=squashed),
        recheck=recheck_all,
        now=now,
    )
    return squashed


def delete_lfs_files(
    *,
    actor: Principal,
    repository: Repository,
    oids: Collection[str],
    rewrite_history: bool,
    now: datetime,
) -> None:
    """Take large objects out of the repository: from every branch, and with `rewrite_history` from
    every commit. The bytes go when nothing links them any more.

    Raises: RepositoryDenied, RefChanged, BranchBusy, what `require_changeable` raises.
    """
    policies.require_role(actor, repository, Role.ADMIN)
    unwanted = frozenset(oids)
    if rewrite_history:
        _rewrite(actor, repository, unwanted, now)
    else:
        _delete_from_heads(actor, repository, unwanted, now)
    with transaction.atomic(durable=True):
        links.unlink(locking.lock_repository(repository.pk), unwanted)


def _delete_from_heads(
    actor: Principal, repository: Repository, unwanted: frozenset[str], now: datetime
) -> None:
    git = selectors.git_of(repository)
    for ref in refs.list_all(repository):
        if not ref.name.startswith("refs/heads/"):
            continue
        doomed = [
            DeleteFile(entry.path, missing_ok=True)
            for entry in git.entries(ref.target, recursive=True)
            if entry.pointer is not None and entry.pointer.oid in unwanted
        ]
        if doomed:
            request = NewCommit(operations=doomed, title="Delete LFS files")
            commit_to_ref(
                actor=actor,
                repository=repository,
                ref=ref.name,
                request=request,
                recheck=locking.role_recheck(actor, Role.ADMIN),
                now=now,
            )


def _rewrite(actor: Principal, repository: Repository, unwanted: frozenset[str], now: datetime) -> None:
    git = selectors.git_of(repository)
    found = refs.list_all(repository)
    mapped = git.without_pointers([ref.target for ref in found], unwanted)
    updates = [
        RefUpdate(ref.name, ref.target, mapped[ref.target])
        for ref in found
        if mapped.get(ref.target, ref.target) != ref.target
    ]
    facts = moves.facts_for(repository, updates)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(repository.pk, locking.role_recheck(actor, Role.ADMIN))
        # An annotated tag names its old commit inside; a plain one takes its place.
        moves.move(actor=actor, repository=locked, updates=updates, facts=facts, now=now)


def duplicate(
    *, actor: Principal, repository: Repository, to: str, visibility: str | None, now: datetime
) -> Repository:
    """Copy a repository, with its history and its gate, under another id.

    Its large objects are shared, not copied. Only the new owner has access through the copy's gate.
    Copying takes a while: under the lock of the source, the right to its content is checked again.

    Raises: RepositoryNotFound, RepositoryDisabled, RepositoryGated, NamespaceDenied, NameRefused,
    RepositoryExists, quotas' refusals, DeletedMeanwhile.
    """
    policies.require_content(actor, repository)
    request = repos.NewRepository(
        kind=repository.kind,
        repo_id=to,
        visibility=visibility or repository.visibility,
        description=repository.description,
        default_branch=repository.default_branch,
        gating=repository.gating,
    )
    namespace = repos.require_creatable(actor=actor, request=request)
    quotas.require_room_for_bytes(namespace, repository.size_bytes)
    storage = uuid.uuid4().hex
    # The refs first: all that they lead to is there when the folder is copied.
    found = refs.list_all(repository)
    head = next(ref.target for ref in found if ref.name == f"refs/heads/{repository.default_branch}")
    gitstore.copy_repository(repository.storage, storage)
    try:
        facts = indexing.read_facts(repository, head)
        with transaction.atomic(durable=True):
            copy = repos.insert_repository(actor=actor, request=request, storage=storage, head=head, now=now)
            source = _lock_source(actor, repository)
            quotas.require_room_for_bytes(copy.namespace, source.size_bytes)
            links.copy(source, copy, now)
            refs.replace(copy, found)
            indexing.store_facts(copy, facts, now=now)
            repository_created.send(sender=Repository, repository=copy, actor=actor)
    except Exception:
        gitstore.delete_repository(storage)
        raise
    return copy


def _lock_source(actor: Principal, repository: Repository) -> LockedRepository:
    """Raises: DeletedMeanwhile, RepositoryNotFound, RepositoryDisabled, RepositoryGated."""
    source = locking.lock_repository(repository.pk)
    if source.deleted_at is not None:
        raise RepositoryNotFound(repo_id=source.full_name)
    policies.require_content(actor.reread(), source)
    return source
