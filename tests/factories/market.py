"""Traders, operators and money for tests of the market."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

from compute_market.ledger import services as ledger
from compute_market.offers import agents, listing
from compute_market.offers.models import Node, Product, Provider
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


def product(slug: str = "h100-sxm-80g.cn-east.reserved.ib", **changes: Any) -> Product:
    """A product, listed as the catalogue has it."""
    found = Product.objects.filter(slug=slug).first()
    if found is None:
        _, region, tier, _ = slug.split(".")
        listing.list_catalogue(regions=[region], tiers=[tier], shards=2, now=NOON)
        found = Product.objects.get(slug=slug)
    for name, value in changes.items():
        setattr(found, name, value)
    found.save()
    return found


def node(
    owner: Principal | None = None,
    *,
    gpus: int = 8,
    of: Product | None = None,
    now: datetime = NOON,
    **changes: Any,
) -> Node:
    """A tradable node that was heard just now."""
    owner = owner or trader()
    provider, _ = Provider.objects.get_or_create(
        namespace_id=namespace_of(owner), defaults={"created_at": now, "allows_processes": True}
    )
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": f"node{number}",
        "state": Node.State.READY,
        "last_heartbeat_at": now,
        "runners": ["fake", "process"],
    } | changes
    return Node.objects.create(
        provider=provider,
        product=of or product(),
        gpus=gpus,
        agent_key_id=agents.new_key_id(),
        instance=f"machine{number}",
        enrolled_at=now,
        **values,
    )
