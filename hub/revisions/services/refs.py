"""Branches and tags."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from hub.accounts.principals import Principal
from hub.gitstore import RefExists, RefUpdate, RevisionNotFound
from hub.gitstore.paths import require_ref_name
from hub.repos import locking, policies
from hub.repos.models import Repository
from hub.repos.services import git_author
from hub.revisions import moves, refs, selectors
from hub.revisions.errors import DefaultBranchProtected


def create_branch(
    *,
    actor: Principal,
    repository: Repository,
    name: str,
    start: str | None = None,
    overwrite: bool = False,
    is_empty: bool = False,
    now: datetime,
) -> str:
    """Make a branch at a revision (default: the default branch) and return its commit id.

    `is_empty` starts it from a commit without files. `overwrite` moves an existing branch there.
    Raises: RepositoryDenied, InvalidRefName, RefExists, RevisionNotFound, DefaultBranchProtected.
    """
    policies.require_write(actor, repository)
    require_ref_name(name, what="branch")
    git, ref = selectors.git_of(repository), f"refs/heads/{name}"
    if is_empty:
        tree = git.write_tree(None, {})
        target = git.write_commit(
            tree=tree, parents=[], message="initial commit\n", author=git_author(actor), at=now
        )
    else:
        target = selectors.resolve(repository, start or repository.default_branch)
    old = refs.commit_of(repository, ref)
    if old is not None and not overwrite:
        raise RefExists(ref=ref)
    if old is not None and name == repository.default_branch:
        raise DefaultBranchProtected(ref=ref)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(repository.pk, locking.role_recheck(actor))
        update = RefUpdate(ref, old, target)
        moves.move(actor=actor, repository=locked, updates=[update], now=now)
    return target


def delete_branch(*, actor: Principal, repository: Repository, name: str, now: datetime) -> None:
    """Raises: RepositoryDenied, DefaultBranchProtected, RevisionNotFound."""
    policies.require_write(actor, repository)
    ref = f"refs/heads/{name}"
    if name == repository.default_branch:
        raise DefaultBranchProtected(ref=ref)
    _delete(actor=actor, repository=repository, ref=ref, revision=name, now=now)


def create_tag(
    *,
    actor: Principal,
    repository: Repository,
    name: str,
    revision: str,
    message: str = "",
    now: datetime,
) -> str:
    """Tag a revision, annotated when there is a message; return the commit id.

    A missing revision is reported before a bad name, because clients look for it. Raises: RepositoryDenied,
    RevisionNotFound, InvalidRefName, RefExists.
    """
    policies.require_write(actor, repository)
    commit = selectors.resolve(repository, revision)
    require_ref_name(name, what="tag")
    git, ref = selectors.git_of(repository), f"refs/tags/{name}"
    if refs.commit_of(repository, ref) is not None:
        raise RefExists(ref=ref)
    tag = None
    if message:
        tag = git.write_tag(name=name, target=commit, message=message, author=git_author(actor), at=now)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(repository.pk, locking.role_recheck(actor))
        update = RefUpdate(ref, None, commit, tag=tag)
        moves.move(actor=actor, repository=locked, updates=[update], now=now)
    return commit


def delete_tag(*, actor: Principal, repository: Repository, name: str, now: datetime) -> None:
    """Raises: RepositoryDenied, RevisionNotFound."""
    policies.require_write(actor, repository)
    _delete(actor=actor, repository=repository, ref=f"refs/tags/{name}", revision=name, now=now)


def _delete(*, actor: Principal, repository: Repository, ref: str, revision: str, now: datetime) -> None:
    old = refs.commit_of(repository, ref)
    if old is None:
        raise RevisionNotFound(revision=revision)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(repository.pk, locking.role_recheck(actor))
        moves.move(actor=actor, repository=locked, updates=[RefUpdate(ref, old, None)], now=now)
