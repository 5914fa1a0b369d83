"""Permissions to see, fetch, write and manage a repository. They are decided only here."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from foundation.errors import Unauthenticated
from hub.accounts.models import AccessToken, Role, Visibility
from hub.accounts.policies import role_in
from hub.accounts.principals import Principal
from hub.repos.errors import (
    RepositoryArchived,
    RepositoryDenied,
    RepositoryDisabled,
    RepositoryGated,
    RepositoryNotFound,
)
from hub.repos.models import AccessRequest, Collaborator, Gating, Repository


def readable_by(actor: Principal) -> Q:
    """The filter that every list and look-up of repositories goes through."""
    if actor.is_system:
        return Q()
    return Q(visibility=Visibility.PUBLIC) | _reached_by_role(actor)


def _reached_by_role(actor: Principal) -> Q:
    """A filter of repositories that the credentials may read through a membership or a collaboration."""
    if actor.user is None or not actor.has_scope(AccessToken.Scope.READ):
        return Q(pk__in=[])
    mine = Q(namespace_id__in=list(actor.roles)) | Q(
        pk__in=Collaborator.objects.filter(user=actor.user).values("repository_id")
    )
    if actor.is_fine_grained:
        whole = [namespace for namespace, repository, _w in actor.grants if repository is None]
        single = [repository for _n, repository, _w in actor.grants if repository is not None]
        mine &= Q(namespace_id__in=whole) | Q(pk__in=single)
    return mine


def role_on(actor: Principal, repository: Repository) -> Role | None:
    """The highest of what the namespace and a collaboration give; a contributor writes what they made."""
    if actor.is_system:
        return Role.ADMIN
    if actor.user is None:
        return None
    held = role_in(actor, repository.namespace_id)
    if held == Role.CONTRIBUTOR and repository.created_by_id == actor.user_id:
        held = Role.WRITE
    if held is None or not held.includes(Role.WRITE):
        given = (
            Collaborator.objects.filter(repository=repository, user=actor.user)
            .values_list("role", flat=True)
            .first()
        )
        if given and (held is None or Role(given).includes(held)):
            held = Role(given)
    return held


def has_role(actor: Principal, repository: Repository, role: Role) -> bool:
    held = role_on(actor, repository)
    if held is None or not held.includes(role):
        return False
    return actor.is_system or actor.is_granted(
        namespace_id=repository.namespace_id,
        repository_id=repository.pk,
        write=role != Role.READ,
    )


def can_see(actor: Principal, repository: Repository) -> bool:
    return not repository.is_private or has_role(actor, repository, Role.READ)


def can_write(actor: Principal, repository: Repository) -> bool:
    return (
        has_role(actor, repository, Role.WRITE) and not repository.is_archived and not repository.is_disabled
    )


def can_manage(actor: Principal, repository: Repository) -> bool:
    return has_role(actor, repository, Role.ADMIN)


def require_role(actor: Principal, repository: Repository, role: Role) -> None:
    """Raises: Unauthenticated, RepositoryNotFound (hidden), RepositoryDenied."""
    if has_role(actor, repository, role):
        return
    if not can_see(actor, repository):
        raise RepositoryNotFound(repo_id=repository.full_name)
    if actor.is_anonymous:
        raise Unauthenticated
    raise RepositoryDenied(role=role.label, repo_id=repository.full_name)


def require_write(actor: Principal, repository: Repository) -> None:
    """Raises: what `require_role` and `require_changeable` raise."""
    require_role(actor, repository, Role.WRITE)
    require_changeable(repository)


def require_changeable(repository: Repository) -> None:
    """Check that the state of a repository lets its content change.

    Raises: RepositoryNotFound (deleted), RepositoryDisabled, RepositoryArchived.
    """
    if repository.deleted_at is not None:
        raise RepositoryNotFound(repo_id=repository.full_name)
    if repository.is_disabled:
        raise RepositoryDisabled
    if repository.is_archived:
        raise RepositoryArchived(repo_id=repository.full_name)


def require_propose(actor: Principal, repository: Repository) -> None:
    """Check that the actor may open discussions and pull requests: signed in, and able to read the content.

    Raises: Unauthenticated, RepositoryNotFound, RepositoryGated, RepositoryDisabled, RepositoryArchived.
    """
    if actor.user is None:
        raise Unauthenticated
    require_content(actor, repository)
    if not actor.is_granted(namespace_id=repository.namespace_id, repository_id=repository.pk, write=True):
        raise RepositoryDenied(role=Role.WRITE.label, repo_id=repository.full_name)
    if repository.is_archived:
        raise RepositoryArchived(repo_id=repository.full_name)


def require_bring(actor: Principal, repository: Repository) -> None:
    """Check that the actor may upload large objects: with write access, or to propose a commit that refers to
    them.

    The request does not say for which commit; objects that no commit refers to are deleted later. Raises:
    what `require_propose` raises.
    """
    if not can_write(actor, repository):
        require_propose(actor, repository)


def require_open(actor: Principal, repository: Repository) -> None:
    """May read what a gate does not hide: the card, names of branches and tags, discussions.

    Of a repository that an operator has disabled only the record is left to see.
    Raises: RepositoryNotFound, RepositoryDisabled.
    """
    if not can_see(actor, repository):
        raise RepositoryNotFound(repo_id=repository.full_name)
    if repository.is_disabled and not actor.is_system:
        raise RepositoryDisabled


def can_fetch(actor: Principal, repository: Repository) -> bool:
    """True if `require_content` would pass."""
    try:
        require_content(actor, repository)
    except (RepositoryNotFound, RepositoryDisabled, RepositoryGated):
        return False
    return True


def require_content(actor: Principal, repository: Repository) -> None:
    """May fetch files: sees it, and is let through the gate if there is one.

    Asked before bytes of files, names of files, diffs or commits leave. The card (README.md with its front
    matter) and the facts of the catalogue are shown despite a gate, as Hugging Face does; see ADR 0140.

    Raises: RepositoryNotFound, RepositoryDisabled, RepositoryGated.
    """
    require_open(actor, repository)
    if not repository.gating or has_role(actor, repository, Role.READ):
        return
    if actor.user is None or not actor.has_scope(AccessToken.Scope.READ):
        raise RepositoryGated(
            kind=repository.kind,
            repo_id=repository.full_name,
            why="anonymous",
        )
    status = (
        AccessRequest.objects.filter(repository=repository, user=actor.user)
        .values_list("status", flat=True)
        .first()
    )
    if status == AccessRequest.Status.ACCEPTED:
        return
    raise RepositoryGated(kind=repository.kind, repo_id=repository.full_name, why=status or "not_asked")


def fetchable(actor: Principal, repositories: Iterable[Repository]) -> set[int]:
    """Primary keys of those repositories whose content `require_content` lets through, by one query at most.

    For lists, whose rows the actor may see already.
    """
    rows = list(repositories)
    guarded = [row.pk for row in rows if row.gating or row.is_disabled]
    closed = set(guarded)
    if guarded:
        through = Repository.objects.filter(content_readable_by(actor), pk__in=guarded)
        closed -= set(through.values_list("pk", flat=True))
    return {row.pk for row in rows} - closed


def content_readable_by(actor: Principal) -> Q:
    """As `readable_by`, and let through the gate: for what looks into many repositories at once."""
    readable = readable_by(actor)
    if actor.is_system:
        return readable
    through = Q(gating=Gating.OPEN) | _reached_by_role(actor)
    if actor.user is not None and actor.has_scope(AccessToken.Scope.READ):
        accepted = AccessRequest.objects.filter(user=actor.user, status=AccessRequest.Status.ACCEPTED)
        through |= Q(pk__in=accepted.values("repository_id"))
    return readable & through & Q(is_disabled=False)
