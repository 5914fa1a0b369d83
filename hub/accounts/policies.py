"""Permissions on namespaces."""

from __future__ import annotations

from django.utils.translation import gettext as _

from foundation.errors import Denied, Unauthenticated
from hub.accounts.errors import NamespaceDenied, ScopeMissing
from hub.accounts.models import AccessToken, Namespace, Role
from hub.accounts.principals import Principal


def role_in(actor: Principal, namespace_id: int) -> Role | None:
    """The actor's role by ownership or membership, whatever the token in hand reaches."""
    if actor.is_system or (actor.user is not None and actor.user.namespace_id == namespace_id):
        return Role.ADMIN  # one's own needs no query
    return actor.roles.get(namespace_id)


def has_role(actor: Principal, namespace: Namespace, role: Role, *, write: bool = True) -> bool:
    held = role_in(actor, namespace.pk)
    if held is None or not held.includes(role):
        return False
    return actor.is_system or actor.is_granted(namespace_id=namespace.pk, repository_id=None, write=write)


def require_role(actor: Principal, namespace: Namespace, role: Role) -> None:
    """Raises: Unauthenticated, NamespaceDenied, ScopeMissing."""
    if actor.is_anonymous:
        raise Unauthenticated
    held = role_in(actor, namespace.pk)
    if held is None or not held.includes(role):
        raise NamespaceDenied(role=role.label, namespace=namespace.name)
    if not has_role(actor, namespace, role):
        raise ScopeMissing(scope=AccessToken.Scope.WRITE.value)


def require_signed_in(actor: Principal) -> None:
    """Raises: Unauthenticated."""
    if actor.user is None:
        raise Unauthenticated


def require_scope(actor: Principal, scope: str) -> None:
    """Raises: Unauthenticated, ScopeMissing."""
    if actor.is_anonymous:
        raise Unauthenticated
    if not (actor.is_system or actor.has_scope(scope)):
        raise ScopeMissing(scope=scope)


def require_account_owner(actor: Principal) -> None:
    """Require a session or a token with the scope `write` that is not fine-grained.

    It guards what belongs to the account or an organization: tokens, password, profile, names, members.
    The operator at the command line passes. Raises: Unauthenticated, ScopeMissing, Denied.
    """
    if actor.is_system:
        return
    require_scope(actor, AccessToken.Scope.WRITE)
    if actor.is_fine_grained:
        raise Denied(reason=_("A fine-grained token cannot change the account itself."))


def require_account_admin(actor: Principal, namespace: Namespace) -> None:
    """Require an admin of the namespace whose credentials reach the account itself.

    A member who was added, or a name that was changed, outlives the token that did it.
    Raises: Unauthenticated, NamespaceDenied, ScopeMissing, Denied.
    """
    require_role(actor, namespace, Role.ADMIN)
    require_account_owner(actor)


def require_system(actor: Principal) -> None:
    """Require an operator at the command line. Raises: Denied."""
    if not actor.is_system:
        raise Denied(reason=_("Only an administrator may do this."))
