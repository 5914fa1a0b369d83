"""Holding a repository's row. The order in which rows are held is in docs/locking.md."""

from __future__ import annotations

from typing import NewType

from hub.accounts.models import Namespace
from hub.repos.models import Repository

LockedRepository = NewType("LockedRepository", Repository)


def lock_repository(pk: int) -> LockedRepository:
    """Hold a repository's row, its owner loaded, until the transaction ends.

    Its key stays free: whoever only points at the repository need not wait. Raises Repository.DoesNotExist.
    """
    held = Repository.objects.select_for_update(of=("self",), no_key=True)
    return LockedRepository(held.with_owner().get(pk=pk))


def lock_for_bytes(pk: int) -> LockedRepository:
    """The same, its owner's row first, so that no two uploads take the last room of one namespace."""
    list(Namespace.objects.select_for_update(no_key=True).filter(repositories=pk).values_list("pk"))
    return lock_repository(pk)
