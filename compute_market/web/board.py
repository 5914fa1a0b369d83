"""What the market's pages show of the public record: prices, depth, quotes. Everything here is a read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max, Min, Sum

from compute_market.clock import HOUR
from compute_market.matching import limits, quantities, selectors
from compute_market.matching.models import Level, Order, Trade
from compute_market.offers.models import Product
from compute_market.web import charts

DAY = timedelta(days=1)
TRADES_READ_MAX = 4_000
STARTS_STEP_H = 1


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
    def spark(self) -> str:
        return charts.sparkline(self.prices[-48:])

    @property
    def change_percent(self) -> str:
        return "" if self.change_bps is None else f"{self.change_bps / 100:+.2f} %"


def rows(products: Sequence[Product], *, now: datetime) -> list[Row]:
    """A row for each product, in three queries however many there are."""
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
        .annotate(
            low=Min("price_micros_per_gpu_hour"), high=Max("price_micros_per_gpu_hour"), total=Sum("gpus")
        )
    )
    for level in best:
        row = found[level["product"]]
        if level["side"] == Order.Side.BUY:
            row.bid_micros = level["high"]
        else:
            row.ask_micros, row.offered_gpus = level["low"], level["total"]
    for row in found.values():
        if row.prices:
            row.last_micros = row.prices[-1]
            row.change_bps = (row.prices[-1] - row.prices[0]) * 10_000 // row.prices[0]
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Book:
    """What rests over a window, (price, GPUs) of each side, best first."""

    start: datetime
    end: datetime
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


def book(product: Product, *, start: datetime, end: datetime) -> Book:
    sides: dict[int, dict[int, int]] = {Order.Side.BUY: defaultdict(int), Order.Side.SELL: defaultdict(int)}
    for side, price, gpus in selectors.depth(product_id=product.pk, start=start, end=end).values_list(
        "side", "price_micros_per_gpu_hour", "gpus"
    ):
        sides[side][price] += gpus
    return Book(
        start=start,
        end=end,
        bids=sorted(sides[Order.Side.BUY].items(), reverse=True),
        asks=sorted(sides[Order.Side.SELL].items()),
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """What a buy can cost at worst, in micro-credits."""

    gpu_minutes: int
    notional_micros: int
    fee_micros: int

    @property
    def total_micros(self) -> int:
        return self.notional_micros + self.fee_micros


def worst_cost(*, gpus: int, start: datetime, end: datetime, price_micros: int) -> Cost:
    """The hold that the market will ask for: every GPU-minute at the limit, and the higher fee."""
    gpu_minutes = gpus * (quantities.to_minutes(end) - quantities.to_minutes(start))
    notional = quantities.notional_micros(gpu_minutes=gpu_minutes, price_micros_per_gpu_hour=price_micros)
    return Cost(
        gpu_minutes, notional, quantities.fee_micros(amount_micros=notional, bps=limits.fee_bps_max())
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """The cheapest way found to get the GPUs in one product. Nothing is reserved."""

    product: Product
    start: datetime
    end: datetime
    gpus: int
    limit_micros: int
    cost: Cost

    @property
    def hours(self) -> int:
        return int((self.end - self.start) / HOUR)


def quotes(
    products: Sequence[Product], *, gpus: int, hours: int, within_days: int, now: datetime
) -> list[Quote]:
    """For each product the cheapest full-hour start, the cheapest first. One query.

    The cost is exact for what rests now: levels are taken from the cheapest up. The limit is the dearest
    level that is needed, and is what an order would have to name.
    """
    by_product: dict[int, list[tuple[int, int, datetime, datetime]]] = defaultdict(list)
    first = now.replace(minute=0, second=0, microsecond=0) + HOUR
    asks = Level.objects.filter(
        product__in=[product.pk for product in products], side=Order.Side.SELL, end__gte=first + hours * HOUR
    ).order_by("price_micros_per_gpu_hour")
    for level in asks.iterator():
        by_product[level.product_id].append(
            (level.price_micros_per_gpu_hour, level.gpus, level.start, level.end)
        )
    found = []
    for product in products:
        lots_gpus = -(-gpus // product.lot) * product.lot
        candidates = [
            quote
            for number in range(0, within_days * 24, STARTS_STEP_H)
            if (quote := _at(product, by_product[product.pk], lots_gpus, first + number * HOUR, hours))
        ]
        if candidates:
            found.append(min(candidates, key=lambda quote: (quote.cost.total_micros, quote.start)))
    return sorted(found, key=lambda quote: quote.cost.total_micros)


def _at(
    product: Product,
    levels: list[tuple[int, int, datetime, datetime]],
    gpus: int,
    start: datetime,
    hours: int,
) -> Quote | None:
    end, left, notional, limit = start + hours * HOUR, gpus, 0, 0
    for price, offered, level_start, level_end in levels:
        if level_start > start or level_end < end:
            continue
        taken = min(left, offered)
        notional += quantities.notional_micros(
            gpu_minutes=taken * hours * 60, price_micros_per_gpu_hour=price
        )
        left, limit = left - taken, price
        if not left:
            fee = quantities.fee_micros(amount_micros=notional, bps=limits.fee_bps_max())
            return Quote(product, start, end, gpus, limit, Cost(gpus * hours * 60, notional, fee))
    return None


def nearest_misses(order: Order) -> list[tuple[str, int, int]]:
    """Why a live buy has not filled: (what, micro-credits more per GPU-hour, GPUs offered there)."""
    covering = Level.objects.filter(product=order.product_id, side=Order.Side.SELL)
    same = covering.filter(start__lte=order.start, end__gte=order.end).order_by("price_micros_per_gpu_hour")
    misses = [
        ("dearer", level.price_micros_per_gpu_hour - order.price_micros_per_gpu_hour, level.gpus)
        for level in same[:3]
    ]
    shifted = covering.filter(
        price_micros_per_gpu_hour__lte=order.price_micros_per_gpu_hour, start__gt=order.start
    ).order_by("start")
    length = order.end - order.start
    for level in shifted[:20]:
        if level.end - level.start >= length:
            hours = int((level.start - order.start) / HOUR)
            misses.append(("later", hours, level.gpus))
            break
    return misses
