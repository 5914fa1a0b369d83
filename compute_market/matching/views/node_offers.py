"""The offers of each node of a product: for quotes and explanations of buys that want one node (rule M13).

The book's levels add nodes up, so these are read from the sell orders and what they have sold. A read of what
rests now, for the cheapest `OFFERS_MAX` offers of each product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Window
from django.db.models.functions import RowNumber

from compute_market import quantities
from compute_market.matching.engine import profile
from compute_market.matching.models import Order, Trade
from compute_market.offers.models import Node
from foundation.database import bulk_sql

OFFERS_MAX = 500
"""Offers of a product that are looked at, the cheapest first."""


@dataclass(frozen=True, slots=True)
class Offered:
    """GPUs available over [start, end) at a price; `node` 0: several nodes together."""

    node: int
    price_micros_per_gpu_hour: int
    start: datetime
    end: datetime
    gpus: int


def of_products(product_ids: Collection[int], *, now: datetime) -> dict[int, list[Offered]]:
    """Product → what its tradable nodes offer, cheapest and then oldest first. Three queries."""
    nodes = Node.objects.tradable(now).filter(product__in=product_ids).values_list("pk", flat=True)
    resting = Order.objects.filter(
        node__in=bulk_sql.listed(list(nodes)), state__in=(Order.State.OPEN, Order.State.PARTIALLY_FILLED)
    )
    place = Window(RowNumber(), partition_by="product", order_by=["price_micros_per_gpu_hour", "pk"])
    sells = list(
        resting.filter(end__gt=now)
        .annotate(place=place)
        .filter(place__lte=OFFERS_MAX)
        .order_by("price_micros_per_gpu_hour", "pk")
    )
    sold = _sold([sell for sell in sells if sell.filled_gpu_minutes])
    found: dict[int, list[Offered]] = defaultdict(list)
    for sell in sells:
        found[sell.product_id] += _layers(sell, sold[sell.pk])
    return found


def most_of_one_node(offered: Iterable[Offered], start: datetime, end: datetime) -> int:
    """The most GPUs that can be had over the whole of a window from one node."""
    by_node: dict[int, int] = defaultdict(int)
    for each in offered:
        if each.start <= start and each.end >= end:
            by_node[each.node] += each.gpus
    return max(by_node.values(), default=0)


def cheapest_node(
    offered: Iterable[Offered], *, gpus: int, start: datetime, end: datetime
) -> tuple[int, int] | None:
    """(price of all GPUs for an hour, dearest price needed) on the cheapest node that has them all."""
    left: dict[int, int] = {}
    cost: dict[int, int] = defaultdict(int)
    best: tuple[int, int] | None = None
    for each in offered:
        if each.start > start or each.end < end:
            continue
        wanted = left.get(each.node, gpus)
        taken = min(wanted, each.gpus)
        left[each.node] = wanted - taken
        cost[each.node] += taken * each.price_micros_per_gpu_hour
        if taken and taken == wanted and (best is None or cost[each.node] < best[0]):
            best = cost[each.node], each.price_micros_per_gpu_hour
    return best


def _sold(sells: Sequence[Order]) -> dict[int, list[tuple[datetime, datetime, int]]]:
    """Sell → what it has sold, as (start, end, GPUs)."""
    found: dict[int, list[tuple[datetime, datetime, int]]] = defaultdict(list)
    if sells:
        trades = Trade.objects.filter(sell__in=bulk_sql.listed([sell.pk for sell in sells]))
        for sell_id, start, end, gpus in trades.values_list("sell", "start", "end", "gpus"):
            found[sell_id].append((start, end, gpus))
    return found


def _layers(sell: Order, sold: Iterable[tuple[datetime, datetime, int]]) -> list[Offered]:
    """The rest of an offer, as rectangles whose depths add up."""
    if sell.node_id is None:
        return []
    begin, until = quantities.to_minutes(sell.start), quantities.to_minutes(sell.end)
    steps: profile.Steps = ((begin, 0),)
    for start, end, gpus in sold:
        window = quantities.to_minutes(start), quantities.to_minutes(end)
        steps = profile.sell(steps, *window, gpus, until)
    moment = quantities.from_minutes
    return [
        Offered(sell.node_id, sell.price_micros_per_gpu_hour, moment(start), moment(end), gpus)
        for start, end, gpus in profile.layers(steps, sell.gpus, until)
    ]
