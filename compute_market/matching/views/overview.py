"""Many products at a glance: for the list that people look at first, and for its counterpart in the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Max, Min, Sum

from compute_market.matching.models import Level, Order, Trade
from compute_market.offers.models import Node, Product

DAY = timedelta(days=1)
TRADES_READ_MAX = 4_000


@dataclass
class Row:
    """One product with what people look at first."""

    product: Product
    last_micros: int | None = None
    change_bps: int | None = None
    bid_micros: int | None = None
    ask_micros: int | None = None
    offered_gpus: int = 0
    prices: list[int] = field(default_factory=list)

    @property
    def change_percent(self) -> str:
        return "" if self.change_bps is None else f"{self.change_bps / 100:+.2f} %"


def rows(products: Sequence[Product], *, now: datetime) -> list[Row]:
    """A row for each product, in four queries however many there are."""
    found = {product.pk: Row(product) for product in products}
    recent = (
        Trade.objects.filter(product__in=list(found), at__gte=now - DAY)
        .order_by("-pk")
        .values_list("product", "price_micros_per_gpu_hour")[:TRADES_READ_MAX]
    )
    for product_id, price in reversed(list(recent)):
        found[product_id].prices.append(price)
    best = (
        Level.objects.filter(product__in=list(found), end__gt=now)
        .values("product", "side")
        .annotate(low=Min("price_micros_per_gpu_hour"), high=Max("price_micros_per_gpu_hour"))
    )
    for level in best:
        row = found[level["product"]]
        if level["side"] == Order.Side.BUY:
            row.bid_micros = level["high"]
        else:
            row.ask_micros = level["low"]
    for product_id, gpus in _offered(list(found), now=now):
        found[product_id].offered_gpus += gpus
    for row in found.values():
        if row.prices:
            row.last_micros = row.prices[-1]
            row.change_bps = (row.prices[-1] - row.prices[0]) * 10_000 // row.prices[0]
    return list(found.values())


def _offered(products: Sequence[int], *, now: datetime) -> Iterator[tuple[int, int]]:
    """(product, GPUs) of each node that offers any: never more than the node has, however it divides them.

    One sell offers the same GPUs in each of its windows. Several sells of one node at different times offer
    the same GPUs, too.
    """
    left = (F("open_gpu_minutes") * F("gpus") + F("total_gpu_minutes") - 1) / F("total_gpu_minutes")
    offers = (
        Order.objects.filter(
            product__in=products,
            side=Order.Side.SELL,
            state__in=(Order.State.OPEN, Order.State.PARTIALLY_FILLED),
            end__gt=now,
            node__state=Node.State.READY,
            node__is_stale=False,
            node__lacks_bond=False,
        )
        .order_by()
        .values("product", "node", "node__gpus")
        .annotate(offered=Sum(left))
    )
    for row in offers:
        yield row["product"], min(row["node__gpus"], row["offered"])
