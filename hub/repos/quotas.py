"""Limits on the repositories and storage of a namespace."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q, Sum

from hub.accounts.models import Namespace, User
from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.errors import ProposalsFull, RepositoryQuotaExceeded, StorageQuotaExceeded
from hub.repos.models import ProposedBytes, Repository


def repository_limit(namespace: Namespace) -> int:
    """0 means no limit."""
    given = namespace.repository_quota
    return settings.DEFAULT_REPOSITORY_QUOTA if given is None else given


def storage_limit_bytes(namespace: Namespace) -> int:
    """0 means no limit."""
    given = namespace.storage_quota_bytes
    return settings.DEFAULT_STORAGE_QUOTA_BYTES if given is None else given


def storage_used_bytes(namespace: Namespace) -> int:
    """The storage of its repositories, and of its user's proposals to others."""
    own = Repository.objects.filter(namespace=namespace).aggregate(total=Sum("size_bytes"))["total"] or 0
    user = None if namespace.is_organization else User.objects.filter(namespace=namespace).first()
    return own + (proposed_bytes(user) if user is not None else 0)


def repositories_used(namespace: Namespace) -> int:
    """The number of its repositories, without those that are deleted."""
    return Repository.objects.live().filter(namespace=namespace).count()


def proposer_of(actor: Principal, repository: Repository) -> User | None:
    """The user whose quota counts the bytes that the actor sends; None: the quota of the repository's owner.

    Bytes of an actor who may write count for the owner. All other actors only propose.
    """
    if actor.user is None or policies.can_write(actor, repository):
        return None
    return actor.user


def proposed_bytes(user: User) -> int:
    """The bytes that a user brought to repositories of others and that no branch there holds yet."""
    small = ProposedBytes.objects.filter(user=user).aggregate(total=Sum("size_bytes"))["total"] or 0
    large = User.objects.filter(pk=user.pk).aggregate(total=Sum("proposed_links__object__size_bytes"))
    return small + (large["total"] or 0)


def require_room_to_bring(proposer: User | None, repository: Repository, needed: int) -> None:
    """Check the owner's room, or for a proposal the proposer's and the limit of all their proposals.

    Raises: StorageQuotaExceeded, ProposalsFull.
    """
    if proposer is None:
        require_room_for_bytes(repository.namespace, needed)
        return
    limit = settings.PROPOSED_BYTES_MAX
    if limit and needed > 0:
        # Uploads that are not finished lie in the store already.
        begun = User.objects.filter(pk=proposer.pk).aggregate(
            total=Sum(
                "lfs_uploads__size_bytes",
                filter=~Q(lfs_uploads__repository__namespace=proposer.namespace_id),
            )
        )
        used = proposed_bytes(proposer)
        if used + max(needed, begun["total"] or 0) > limit:
            raise ProposalsFull(used=used, limit=limit, needed=needed)
    require_room_for_bytes(proposer.namespace, needed)


def require_room_for_repository(namespace: Namespace) -> None:
    """Raises: RepositoryQuotaExceeded."""
    limit = repository_limit(namespace)
    if not limit:
        return
    used = repositories_used(namespace)
    if used >= limit:
        raise RepositoryQuotaExceeded(namespace=namespace.name, used=used, limit=limit)


def require_room_for_bytes(namespace: Namespace, needed: int) -> None:
    """Raises: StorageQuotaExceeded."""
    limit = storage_limit_bytes(namespace)
    if not limit or needed <= 0:
        return
    used = storage_used_bytes(namespace)
    if used + needed > limit:
        raise StorageQuotaExceeded(namespace=namespace.name, used=used, limit=limit, needed=needed)
