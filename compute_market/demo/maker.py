"""The demo's trade: asks in steps above a price that wanders a little, some bids below it, and now and
then a small deal. Order ids are made from the time, so a lost or doubled task places nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from math import sin
from zlib import crc32

from compute_market.demo import cast
from compute_market.demo.weeks import EPOCH, WEEK
from compute_market.matching.intake import listings, services
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Level, Order
from compute_market.offers.models import Node, Product
from foundation.clock import HOUR
from foundation.errors import Refusal
from hub.interface import SYSTEM

# Distance of the demo's asks above, and bids below, the price, in hundredths of a percent.
ASK_STEPS_BPS = (50, 150)
BID_STEPS_BPS = (100, 250, 500)
BID_BLOCK_H = 6
DEAL_SECONDS = 15 * 60
WANDER_BPS = 150


def trade(*, now: datetime) -> int:
    """Place what is missing of the demo's orders; gives how many were placed."""
    placed = 0
    for node in cast.nodes():
        if node.is_tradable(now):
            placed += sum(_place(node.provider.namespace_id, ask, now=now) for ask in _asks(node, now=now))
    buyer = cast.buyer()
    if buyer is None:
        return placed
    for product in {node.product_id: node.product for node in cast.nodes()}.values():
        placed += sum(_place(buyer.pk, bid, now=now) for bid in _bids(product, now=now))
        deal = _deal(product, now=now)
        if deal is not None:
            placed += _place(buyer.pk, deal, now=now)
    return placed


def _place(namespace_id: int, request: OrderRequest, *, now: datetime) -> int:
    """Place an order unless it was placed before. The market may refuse it.

    A refused order uses its id up, so each minute's attempt has an id of its own.
    """
    name = request.client_order_id
    known = Order.objects.filter(account__namespace=namespace_id, client_order_id__startswith=f"{name}.")
    if known.exists():
        return 0
    request = replace(request, client_order_id=f"{name}.{int(now.timestamp()) // 60}")
    try:
        services.place_order(actor=SYSTEM, namespace_id=namespace_id, request=request, now=now)
    except Refusal:
        return 0
    return 1


def _price(product: Product, at: datetime, *, bps: int) -> int:
    """The wandering price, moved by `bps`, on the tick and inside the band."""
    hours = (at - EPOCH) / HOUR
    wander = WANDER_BPS * sin(hours / 7 + crc32(product.slug.encode()) % 97)
    price = product.reference_price_micros * (10_000 + wander + bps) / 10_000
    listing = listings.ensure(product, now=at)
    tick = product.tick_micros
    on_tick = max(tick, round(price / tick) * tick)
    low = -(-listing.lowest_micros // tick) * tick
    high = listing.highest_micros // tick * tick
    return int(min(max(on_tick, low), high)) if high >= low else int(on_tick)


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + HOUR


def _asks(node: Node, *, now: datetime) -> Iterator[OrderRequest]:
    """Half of a node for this week and the next, the other half for the next two: a week is always open."""
    this_week = int((now - EPOCH) / WEEK)
    half = node.gpus // 2 // node.product.lot * node.product.lot
    if half == 0:
        return
    for week in (this_week - 1, this_week):
        start, end = EPOCH + week * WEEK, EPOCH + (week + 2) * WEEK
        step = ASK_STEPS_BPS[week % 2]
        begin = max(start, _next_hour(now))
        if end - begin < HOUR:
            continue
        yield OrderRequest(
            client_order_id=f"demo-ask-{node.pk}-{week}",
            product=node.product.slug,
            side=Order.Side.SELL.value,
            gpus=half,
            start=begin,
            end=end,
            price_micros_per_gpu_hour=_price(node.product, now, bps=step),
            node_id=node.pk,
        )


def _bids(product: Product, *, now: datetime) -> Iterator[OrderRequest]:
    """Bids for some hours of the block after the next, so that they rest for six hours at least."""
    block = int((now - EPOCH) / (BID_BLOCK_H * HOUR))
    start = EPOCH + (block + 2) * BID_BLOCK_H * HOUR
    for number, step in enumerate(BID_STEPS_BPS):
        yield OrderRequest(
            client_order_id=f"demo-bid-{product.pk}-{block}-{number}",
            product=product.slug,
            side=Order.Side.BUY.value,
            gpus=product.lot * (number + 1),
            start=start,
            end=start + (number + 2) * HOUR,
            price_micros_per_gpu_hour=_price(product, now, bps=-step),
        )


def _deal(product: Product, *, now: datetime) -> OrderRequest | None:
    """Every quarter of an hour one lot for an hour, at the best ask: so there are trades to look at."""
    # Each product has its own moment of the quarter, the same on every hub.
    turn = (int(now.timestamp()) + crc32(product.slug.encode())) // DEAL_SECONDS
    start = _next_hour(now) + (turn % 24) * HOUR
    best = (
        Level.objects.filter(
            product=product,
            side=Order.Side.SELL,
            start__lte=start,
            end__gte=start + HOUR,
            gpus__gte=product.lot,
        )
        .order_by("price_micros_per_gpu_hour")
        .first()
    )
    if best is None:
        return None
    return OrderRequest(
        client_order_id=f"demo-deal-{product.pk}-{turn}",
        product=product.slug,
        side=Order.Side.BUY.value,
        gpus=product.lot,
        start=start,
        end=start + HOUR,
        price_micros_per_gpu_hour=best.price_micros_per_gpu_hour,
        time_in_force=Order.TimeInForce.IOC.value,
    )
