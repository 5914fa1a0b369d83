"""Holding a repository's row. The order in which rows are held is in docs/locking.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

from foundation.held_rows import held_row
from hub.accounts.models import Namespace, Role, User
from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.models import Repository

LockedRepository = NewType("LockedRepository", Repository)
# Locked, and its state checked again: what moves refs demands it.
ChangeableRepository = NewType("ChangeableRepository", LockedRepository)
# Asked once the repository is locked; raises what stands against the move by then.
Recheck = Callable[[Repository], object]


def lock_repository(pk: int) -> LockedRepository:
    """Hold a repository's row, its owner loaded, until the transaction ends.

    Uses FOR NO KEY UPDATE, so rows with a foreign key to this repository can be inserted meanwhile. Raises:
    DeletedMeanwhile.
    """
    held = Repository.objects.select_for_update(of=("self",), no_key=True)
    return LockedRepository(held_row(held.with_owner().filter(pk=pk)))


def lock_for_change(pk: int, recheck: Recheck) -> ChangeableRepository:
    """As `lock_repository`, for what moves refs: what was seen before the lock is checked again.

    That is the state of the repository, and by `recheck` the rights of the actor, whose roles it reads again.
    Raises: DeletedMeanwhile, and what `policies.require_changeable` and `recheck` raise.
    """
    locked = lock_repository(pk)
    policies.require_changeable(locked)
    recheck(locked)
    return ChangeableRepository(locked)


def role_recheck(actor: Principal, role: Role = Role.WRITE) -> Recheck:
    """The check that the actor still has a role: one more query for members, two for collaborators."""
    return lambda repository: policies.require_role(actor.reread(), repository, role)


def lock_for_undo(pk: int) -> ChangeableRepository:
    """As `lock_for_change`, without the check: for the deletion of a ref that was announced to nobody.

    A repository that was archived or disabled meanwhile must not keep such a ref.
    Raises: DeletedMeanwhile.
    """
    return ChangeableRepository(lock_repository(pk))


def lock_for_bytes(pk: int, *, proposer: User | None = None) -> LockedRepository:
    """The same, first the row of the namespace whose room is taken: the owner's, or a proposer's.

    So no two uploads take the last room of one namespace.
    """
    payers = Namespace.objects.filter(pk=proposer.namespace_id) if proposer else None
    if payers is None:
        payers = Namespace.objects.filter(repositories=pk)
    list(payers.select_for_update(no_key=True).values_list("pk"))
    return lock_repository(pk)
