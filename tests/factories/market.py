"""Traders, operators and money for tests of the market."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import transaction

from compute_market.leases import lifecycle
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.ledger import postings
from compute_market.ledger import services as ledger
from compute_market.ledger.account_events import Changes
from compute_market.offers import agents, seeding
from compute_market.offers import services as supply
from compute_market.offers.models import Node, Product, Provider
from hub.accounts.models import AccessToken, Namespace, User
from hub.accounts.principals import SYSTEM, Principal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CREDIT = 1_000_000
"""Micro-credits of one credit."""

# Two processes of one test run may meet in one database.
_numbers = count(os.getpid() * 10_000 + 1)


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
        with transaction.atomic():
            seeding.list_catalogue(regions=[region], tiers=[tier], shards=2, now=NOON)
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


def declare(of: Node, *, now: datetime = NOON) -> Node:
    """Let a node report hardware that nobody has measured; gives it as it is then."""
    gpu = of.product.slug.partition(".")[0]
    device = {"model": gpu, "memory_mb": of.product.memory_gb * 1024}
    found = [device | {"index": index} for index in range(of.gpus)]
    supply.report_hardware(node=of, method="declared", devices=found, host={}, now=now)
    return Node.objects.get(pk=of.pk)


def post_bond(who: Principal, amount: int, *, now: datetime = NOON) -> None:
    """Move so many credits of a trader's own into its bond."""
    ledger.post_bond(
        actor=who,
        namespace_id=namespace_of(who),
        amount_micros=amount * CREDIT,
        key=f"test-{next(_numbers)}",
        now=now,
    )


def release_bond(who: Principal, amount: int, *, now: datetime = NOON) -> None:
    """Give so many credits of a trader's bond back."""
    ledger.release_bond(
        actor=SYSTEM,
        namespace_id=namespace_of(who),
        amount_micros=amount * CREDIT,
        key=f"test-{next(_numbers)}",
        now=now,
    )


def lease(
    of: Node,
    *,
    holder: Principal | None = None,
    gpus: int = 1,
    start: datetime = NOON,
    hours: int = 1,
    price: int = 6 * CREDIT,
    seller_fee_bps: int = 10,
    buyer_fee_bps: int = 0,
    parent: Lease | None = None,
    now: datetime = NOON,
) -> Lease:
    """A lease as a trade opens it: its holder has paid in, and the node (or the parent's holder) sold it.

    The rates are in basis points; the holder pays its fee with the price.
    """
    holder = holder or trader(funds=10_000)
    number = next(_numbers)
    notional = gpus * hours * price
    seller = parent.holder_id if parent else None
    with transaction.atomic():
        escrow, fees = postings.shard_account_ids(shard=of.product.shard_id, now=NOON)
        main = postings.account_ids(namespace_ids=[namespace_of(holder), of.provider.namespace_id], now=NOON)
        buyer = main[namespace_of(holder)]
        locked = postings.lock_accounts(ids=[escrow, fees, buyer])
        buyer_fee = notional * buyer_fee_bps // 10_000
        cause = f"trade/test/{number}"
        for to, amount, kind, what in (
            (escrow, notional, "escrow", cause),
            (fees, buyer_fee, "fee", f"{cause}/fee"),
        ):
            if amount:
                postings.transfer(
                    debit=locked[buyer],
                    credit=locked[to],
                    amount_micros=amount,
                    kind=kind,
                    cause=what,
                    now=NOON,
                )
        opening = lifecycle.LeaseOpening(
            trade_id=number,
            order_id=number,
            shard=of.product.shard_id,
            product_id=of.product_id,
            node_id=of.pk,
            buyer_id=buyer,
            seller_id=seller or main[of.provider.namespace_id],
            hold_id=None,
            parent_id=parent.pk if parent else None,
            gpus=gpus,
            start=start,
            end=start + timedelta(hours=hours),
            price_micros_per_gpu_hour=price,
            notional_micros=notional,
            buyer_fee_micros=buyer_fee,
            seller_fee_micros=notional * seller_fee_bps // 10_000,
            is_first=True,
        )
        (lease_id,) = lifecycle.open_from_trades([opening], changes=Changes(), now=now)
    return Lease.objects.get(pk=lease_id)


def run(lease: Lease, holder: Principal, *command: str, now: datetime = NOON, runner: str = "fake") -> Work:
    """A command of the holder's in a lease that is active."""
    return leasing.run_work(actor=holder, lease_id=lease.pk, command=command, runner=runner, now=now)
