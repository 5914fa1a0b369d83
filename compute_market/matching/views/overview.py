"""Many products at a glance: for the list that people look at first, and for its counterpart in the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Max, Min, Q, Sum

from compute_market.matching.models import Level, Order, Trade
from compute_market.offers.models import Node, Product
from compute_market.quantities import to_minutes
from foundation.clock import HOUR

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
    ask_now_micros: int | None = None
    free_now: int = 0
    day_gpu_minutes: int = 0
    prices: list[int] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """True if something of the product is offered, wanted, or was traded within a day."""
        return bool(self.prices or self.offered_gpus or self.bid_micros or self.ask_micros)

    @property
    def day_gpu_hours(self) -> int:
        return round(self.day_gpu_minutes / 60)

    @property
    def change_percent(self) -> str:
        return "" if self.change_bps is None else f"{self.change_bps / 100:+.2f} %"


def rows(products: Sequence[Product], *, now: datetime) -> list[Row]:
    """A row for each product, in three queries however many there are.

    The day's prices and volume are made of the newest 4,000 trades of these products: trades have no index by
    time, so older ones are not read.
    """
    found = {product.pk: Row(product) for product in products}
    recent = (
        Trade.objects.filter(product__in=list(found))
        .order_by("-pk")
        .values_list("product", "price_micros_per_gpu_hour", "at", "gpus", "start", "end")[:TRADES_READ_MAX]
    )
    for product_id, price, at, gpus, start, end in reversed(list(recent)):
        if at >= now - DAY:
            found[product_id].prices.append(price)
            found[product_id].day_gpu_minutes += gpus * (to_minutes(end) - to_minutes(start))
    best = (
        Level.objects.filter(product__in=list(found), end__gt=now)
        .values("product", "side")
        .annotate(
            low=Min("price_micros_per_gpu_hour"),
            high=Max("price_micros_per_gpu_hour"),
            begun=Min(
                "price_micros_per_gpu_hour",
                filter=Q(start__lte=now, end__gte=now.replace(minute=0, second=0, microsecond=0) + HOUR),
            ),
        )
    )
    for level in best:
        row = found[level["product"]]
        if level["side"] == Order.Side.BUY:
            row.bid_micros = level["high"]
        else:
            row.ask_micros, row.ask_now_micros = level["low"], level["begun"]
    for product_id, gpus, free_now in _offered(list(found), now=now):
        found[product_id].offered_gpus += gpus
        found[product_id].free_now += free_now
    for row in found.values():
        if row.prices:
            row.last_micros = row.prices[-1]
            row.change_bps = (row.prices[-1] - row.prices[0]) * 10_000 // row.prices[0]
    return list(found.values())


def _offered(products: Sequence[int], *, now: datetime) -> Iterator[tuple[int, int, int]]:
    """(product, GPUs, GPUs that are free now) of each node that offers any: never more than the node has.

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
        .annotate(offered=Sum(left), begun=Sum(left, filter=Q(start__lte=now)))
    )
    for row in offers:
        gpus = row["node__gpus"]
        yield row["product"], min(gpus, row["offered"]), min(gpus, row["begun"] or 0)


@dataclass
class GpuGroup:
    """The products of one kind of GPU, with what a newcomer asks first. `cells` are those of `regions`."""

    gpu: str
    form: str
    memory_gb: int
    rows: list[Row]
    cells: list[Row | None] = field(default_factory=list)

    @property
    def cheapest(self) -> Row | None:
        """The product with the best price of a window that starts now; None without one."""
        return _cheapest(self.rows, "ask_now_micros")

    @property
    def product(self) -> Product:
        """The product to begin with: with the best price now, else of any hour, else the first."""
        return (self.cheapest or _cheapest(self.rows, "ask_micros") or self.rows[0]).product

    @property
    def free_now(self) -> int:
        return sum(row.free_now for row in self.rows)

    @property
    def day_gpu_hours(self) -> int:
        return sum(row.day_gpu_hours for row in self.rows)

    @property
    def prices(self) -> list[int]:
        """The prices of the product that traded most within a day, for a small chart."""
        return max((row.prices for row in self.rows), key=len)


@dataclass
class Board:
    """The market by kind of GPU and region: the groups have a cell for each region, in the same order."""

    regions: list[str]
    groups: list[GpuGroup]


def board(found: Sequence[Row]) -> Board:
    """Group the rows that are in use, those with the most trades first."""
    regions = sorted({row.product.region for row in found if row.ask_micros is not None})
    kinds: dict[tuple[str, str, int], list[Row]] = {}
    for row in found:
        product = row.product
        if row.is_live:
            kinds.setdefault((product.gpu, product.form, product.memory_gb), []).append(row)
    groups = [GpuGroup(*kind, rows=mine) for kind, mine in kinds.items()]
    for group in groups:
        group.cells = [
            _cheapest([row for row in group.rows if row.product.region == region], "ask_micros")
            for region in regions
        ]
    groups.sort(key=lambda group: (-sum(len(row.prices) for row in group.rows), group.gpu, group.form))
    return Board(regions, groups)


def _cheapest(found: Sequence[Row], price: str) -> Row | None:
    """The row with the lowest price of a kind; None if none has one."""
    priced = [row for row in found if getattr(row, price) is not None]
    return min(priced, key=lambda row: int(getattr(row, price)), default=None)
