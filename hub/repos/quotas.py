"""How much a namespace may own and store."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Sum

from hub.accounts.models import Namespace
from hub.repos.errors import RepositoryQuotaExceeded, StorageQuotaExceeded
from hub.repos.models import Repository


def repository_limit(namespace: Namespace) -> int:
    """0 means no limit."""
    given = namespace.repository_quota
    return settings.DEFAULT_REPOSITORY_QUOTA if given is None else given


def storage_limit_bytes(namespace: Namespace) -> int:
    """0 means no limit."""
    given = namespace.storage_quota_bytes
    return settings.DEFAULT_STORAGE_QUOTA_BYTES if given is None else given


def storage_used_bytes(namespace: Namespace) -> int:
    return Repository.objects.filter(namespace=namespace).aggregate(total=Sum("size_bytes"))["total"] or 0


def require_room_for_repository(namespace: Namespace) -> None:
    """Raises: RepositoryQuotaExceeded."""
    limit = repository_limit(namespace)
    if not limit:
        return
    used = Repository.objects.live().filter(namespace=namespace).count()
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
