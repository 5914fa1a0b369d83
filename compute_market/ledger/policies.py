"""Permissions on an account: to read it, to spend from it, and to add money."""

from __future__ import annotations

from django.utils.translation import gettext as _

from compute_market.ledger.errors import NotAMember, OperatorOnly, TradeScopeMissing
from foundation.errors import Unauthenticated
from hub.interface import Principal, role_in

TRADE = "trade"
# Buys under the token's cap, and uses what it bought; `trade` includes it (docs/adr/0174).
DEPLOY = "deploy"
SPENDING_ROLES = frozenset({"write", "admin"})


def require_operator(actor: Principal) -> None:
    """Deposits, withdrawals, halts: for staff with a whole credential.

    Raises: Unauthenticated, OperatorOnly.
    """
    if actor.is_anonymous:
        raise Unauthenticated
    if actor.is_system:
        return
    staff = actor.user is not None and actor.user.is_staff
    if not staff or actor.is_fine_grained or not actor.has_scope(TRADE):
        raise OperatorOnly


def require_trade_scope(actor: Principal) -> None:
    """Raises: Unauthenticated, TradeScopeMissing."""
    if actor.is_anonymous:
        raise Unauthenticated
    if not (actor.is_system or actor.has_scope(TRADE)):
        raise TradeScopeMissing(scope=TRADE)


def require_market_scope(actor: Principal) -> None:
    """Seeing what one bought: the scope `deploy` or `trade`. Raises: Unauthenticated, TradeScopeMissing."""
    if actor.is_anonymous:
        raise Unauthenticated
    if not (actor.is_system or actor.has_scope(DEPLOY)):
        raise TradeScopeMissing(scope=DEPLOY)


def require_spend(actor: Principal, namespace_id: int) -> None:
    """Trading, leasing and supplying for a namespace: its writers and admins, with the scope `trade`.

    A fine-grained token needs a grant of the whole namespace: credits belong to no single repository.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember.
    """
    require_trade_scope(actor)
    if not may_spend(actor, namespace_id):
        raise NotAMember(namespace_id=namespace_id, reason=_("not a member"))


def may_spend(actor: Principal, namespace_id: int) -> bool:
    """True if `require_spend` would pass."""
    return _may(TRADE, actor, namespace_id)


def _may(scope: str, actor: Principal, namespace_id: int) -> bool:
    if actor.is_system:
        return True
    if not actor.has_scope(scope) or role_in(actor, namespace_id) not in SPENDING_ROLES:
        return False
    return not actor.is_fine_grained or any(
        granted == namespace_id and repository_id is None
        for granted, repository_id, _can_write in actor.grants
    )


def require_buy(actor: Principal, namespace_id: int) -> None:
    """Buying for a namespace: as `require_spend`, and tokens with the scope `deploy`.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember.
    """
    require_market_scope(actor)
    if not may_buy(actor, namespace_id):
        raise NotAMember(namespace_id=namespace_id, reason=_("not a member"))


def may_buy(actor: Principal, namespace_id: int) -> bool:
    """True if `require_buy` would pass."""
    return _may(DEPLOY, actor, namespace_id)


def is_capped(actor: Principal) -> bool:
    """True if the actor's token has a spending cap; it then sees and uses only what it bought."""
    return actor.token is not None and not actor.has_scope(TRADE)


def buying_namespaces(actor: Principal) -> set[int]:
    """Ids of the namespaces that the actor may buy for."""
    return {namespace_id for namespace_id in actor.roles if may_buy(actor, namespace_id)}


def readable_namespaces(actor: Principal) -> set[int]:
    """Ids of the namespaces whose accounts, orders and leases the actor may see: those it may spend for."""
    return {namespace_id for namespace_id in actor.roles if may_spend(actor, namespace_id)}
