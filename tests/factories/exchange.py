"""Products, nodes and orders for tests of the exchange."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from compute_market.ledger.models import Account
from compute_market.matching.clearing import worker
from compute_market.matching.intake import services
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.offers.models import CancellationTerm, Node, Product, Provider, Shard
from hub.accounts.principals import Principal
from tests.factories.market import CREDIT, NOON, namespace_of, trader

BUY, SELL = Order.Side.BUY, Order.Side.SELL
GTC, GTD, IOC, FOK = Order.TimeInForce
MIDNIGHT = NOON + timedelta(hours=12)
"""The first full hour that most windows begin at."""

# Two processes of one test run may meet in one database.
_numbers = count(os.getpid() * 10_000 + 1)


def product(*, shard: int = 0, **fields: Any) -> Product:
    """A product without a price band, unless one is asked for."""
    Shard.objects.get_or_create(number=shard)
    number = next(_numbers)
    terms: dict[str, Any] = {
        "slug": f"h100-sxm-80g.test-{number}.reserved.ib",
        "vendor": "nvidia",
        "gpu": "h100",
        "form": "sxm",
        "memory_gb": 80,
        "region": f"test-{number}",
        "tier": "reserved",
        "interconnect": "ib",
        "reference_price_micros": 12 * CREDIT,
        "band_bps": 0,
    }
    return Product.objects.create(shard_id=shard, **{**terms, **fields})


def node(owner: Principal, traded: Product, *, gpus: int = 8, now: datetime = NOON) -> Node:
    """A node with a fresh heartbeat and an accepted report."""
    provider, _ = Provider.objects.get_or_create(
        namespace_id=namespace_of(owner), defaults={"created_at": now}
    )
    number = next(_numbers)
    return Node.objects.create(
        provider=provider,
        product=traded,
        name=f"node{number}",
        gpus=gpus,
        agent_key_id=f"key{number}",
        instance=f"machine{number}",
        state=Node.State.READY,
        last_heartbeat_at=now,
        enrolled_at=now,
    )


def request(traded: Product, side: int, gpus: int, price: float, **options: Any) -> OrderRequest:
    """An order for the day after `NOON`.

    `price` in credits, on the tick: a multiple of 0.06. `hours=(0, 24)` from midnight.
    """
    first, last = options.pop("hours", (0, 24))
    defaults: dict[str, Any] = {
        "client_order_id": f"order-{next(_numbers)}",
        "start": MIDNIGHT + timedelta(hours=first),
        "end": MIDNIGHT + timedelta(hours=last),
    }
    return OrderRequest(
        product=traded.slug,
        side=side,
        gpus=gpus,
        price_micros_per_gpu_hour=round(price * CREDIT),
        **{**defaults, **options},
    )


def for_account(who: Principal, requests: Iterable[OrderRequest]) -> list[services.Placing]:
    """The orders of a bulk, all for a trader's own namespace."""
    return [services.Placing(namespace_of(who), request) for request in requests]


def place(who: Principal, wanted: OrderRequest, *, now: datetime = NOON) -> Order:
    """Place an order for a trader's own namespace."""
    return services.place_order(actor=who, namespace_id=namespace_of(who), request=wanted, now=now)


def buy(
    who: Principal, traded: Product, gpus: int, price: float, *, now: datetime = NOON, **options: Any
) -> Order:
    """Place a buy of a trader's own namespace."""
    return place(who, request(traded, BUY, gpus, price, **options), now=now)


def sell(
    who: Principal,
    offered: Node,
    gpus: int,
    price: float,
    *,
    now: datetime = NOON,
    **options: Any,
) -> Order:
    """Offer GPUs of a node of the trader's own."""
    return place(who, request(offered.product, SELL, gpus, price, node_id=offered.pk, **options), now=now)


def drain(shard: int = 0, *, now: datetime = NOON) -> int:
    """Drain a shard as a worker would."""
    return worker.drain_shard(shard=shard, now=now)


def rich(funds: int = 1_000_000) -> Principal:
    """A trader who can afford it."""
    return trader(funds=funds)


def main_account(who: Principal) -> Account:
    """A trader's main account, as it is now."""
    return Account.objects.get(namespace=namespace_of(who), kind=Account.Kind.MAIN)


def again(order: Order) -> Order:
    """An order as it is now."""
    return Order.objects.get(pk=order.pk)


def set_cancellation_term(
    product: Product, *, free_hours: int, fee_bps: int, since: datetime = NOON
) -> CancellationTerm:
    """The terms of leases that are bought from a moment on, as an operator adds them in the administration.

    Raises: ValidationError.
    """
    term = CancellationTerm(product=product, free_hours=free_hours, fee_bps=fee_bps, since=since)
    term.full_clean()
    term.save()
    return term
