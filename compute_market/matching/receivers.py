"""Events of supply that concern the engine: put on the command log, and a drain is enqueued."""

from __future__ import annotations

from datetime import datetime

from compute_market import quantities
from compute_market.leases.states import OVER
from compute_market.matching import commandlog
from compute_market.matching.clearing import tasks
from compute_market.matching.engine.commands import UNLOGGED, Cancel, Command, Resume, Suspend
from compute_market.matching.intake import listings
from compute_market.matching.models import Order, OrderQuerySet
from compute_market.offers.models import Product


def suspend_offers(sender: object, *, node_id: int, shard: int, now: datetime, **_: object) -> None:
    """A node is silent, its report was refused, or its bond is too small: its offers leave the book."""
    _append(Suspend(UNLOGGED, node_id), shard, now)
    tasks.enqueue_drain(shard)


def return_offers(sender: object, *, node_id: int, shard: int, now: datetime, **_: object) -> None:
    """The node is back: its offers come back to their places."""
    resume = Resume(
        UNLOGGED, node=node_id, minute=quantities.to_minutes(now), clock=quantities.to_milliseconds(now)
    )
    _append(resume, shard, now)
    tasks.enqueue_drain(shard)


def cancel_offers(sender: object, *, node_id: int, now: datetime, **_: object) -> None:
    """A node was retired: nothing of it can be had any more."""
    _cancel(Order.objects.live().filter(node=node_id), now)


def cancel_sell_backs(sender: object, *, lease_id: int, state: str, now: datetime, **_: object) -> None:
    """A lease is over: what of it was still offered can no longer be had."""
    if state not in OVER:
        return
    _cancel(Order.objects.live().filter(lease=lease_id), now)


def change_listing(sender: object, *, product_id: int, shard: int, now: datetime, **_: object) -> None:
    """A product was listed, or its terms or state were changed."""
    listings.configure(Product.objects.get(pk=product_id), now=now)
    tasks.enqueue_drain(shard)


def _append(command: Command, shard: int, now: datetime) -> None:
    commandlog.append(shard=shard, entries=[commandlog.Entry(command=command)], now=now)


def _cancel(orders: OrderQuerySet, now: datetime) -> None:
    for order in orders.order_by("product__shard", "pk").select_related("product"):
        entry = commandlog.Entry(
            command=Cancel(UNLOGGED, order.pk), account_id=order.account_id, order_id=order.pk
        )
        commandlog.append(shard=order.product.shard_id, entries=[entry], now=now)
        tasks.enqueue_drain(order.product.shard_id)
