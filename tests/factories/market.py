"""Traders, operators and money for tests of the market."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

from compute_market.ledger import services as ledger
from hub.accounts.models import AccessToken, Namespace, User
from hub.accounts.principals import SYSTEM, Principal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CREDIT = 1_000_000
"""Micro-credits of one credit."""

_numbers = count(1)


def trader(name: str = "", *, funds: int = 0, scopes: tuple[str, ...] | None = None) -> Principal:
    """A signed-in user with so many credits; with `scopes`, through an access token of these."""
    number = next(_numbers)
    name = name or f"trader{number}"
    namespace = Namespace.objects.create(name=name, key=name.lower(), kind=Namespace.Kind.USER)
    user = User.objects.create(namespace=namespace)
    if funds:
        fund(namespace.pk, funds)
    if scopes is None:
        return Principal(user=user)
    token = AccessToken.objects.create(
        user=user, name="t", digest=f"{number:064}", hint="t", scopes=[*scopes]
    )
    return Principal(user=user, token=token)


def operator() -> Principal:
    """A signed-in member of staff."""
    principal = trader()
    assert principal.user is not None
    principal.user.is_staff = True
    principal.user.save()
    return principal


def namespace_of(principal: Principal) -> int:
    """The id of a user's own namespace."""
    assert principal.user is not None
    return principal.user.namespace_id


def fund(namespace_id: int, funds: int, *, now: datetime = NOON) -> None:
    """Deposit so many credits."""
    ledger.deposit(
        actor=SYSTEM,
        namespace_id=namespace_id,
        amount_micros=funds * CREDIT,
        key=f"test-{next(_numbers)}",
        now=now,
    )
