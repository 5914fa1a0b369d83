"""Reads of the audit log."""

from __future__ import annotations

from hub.accounts.models import Role
from hub.accounts.policies import require_account_owner, require_signed_in
from hub.accounts.principals import Principal
from hub.audit.models import AuditEntry, AuditEntryQuerySet


def entries(*, actor: Principal) -> AuditEntryQuerySet:
    """The entries that are in the chain, in its order: all for an operator, else those of one's namespaces.

    One's namespaces are one's own, and the organizations in which one is an admin.

    Raises: Unauthenticated, ScopeMissing, Denied (a fine-grained token).
    """
    require_account_owner(actor)
    if actor.is_system:
        return AuditEntry.objects.sealed()
    require_signed_in(actor)
    assert actor.user is not None
    if actor.user.is_staff:
        return AuditEntry.objects.sealed()
    mine = [actor.user.namespace_id, *(pk for pk, role in actor.roles.items() if role.includes(Role.ADMIN))]
    return AuditEntry.objects.sealed().filter(namespace_id__in=mine)
