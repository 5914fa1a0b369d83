"""Public data of the market: depth, prices, candles, quotes. Everything here is a read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from compute_market import quantities
from compute_market.matching import limits, news
from compute_market.matching.models import Level, Listing, Order, Outbox, Trade
from compute_market.matching.views import node_offers, selectors
from compute_market.offers.models import Product
from foundation.clock import HOUR
from foundation.database.compiled import CompiledQuery

DAY = timedelta(days=1)
LEVELS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class BookView:
    """The resting offers and bids over a window: (price, GPUs) of each side, best first."""

    start: datetime
    end: datetime
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


def book(product: Product, *, start: datetime, end: datetime, depth: int = LEVELS_MAX) -> BookView:
    """The best prices of each side over a window."""
    window: dict[str, Any] = {"product_id": product.pk, "start": start, "end": end, "limit": depth}
    return BookView(start=start, end=end, bids=selectors.bids(**window), asks=selectors.asks(**window))


class CalendarHour(NamedTuple):
    """A start hour, and the lowest price of one GPU from it on; None where none is on offer."""

    start: datetime
    price_micros: int | None


CALENDAR_DAYS = 7
CALENDAR_LEVELS_MAX = 2_000


def calendar(product: Product, *, hours: int, now: datetime) -> list[CalendarHour]:
    """The lowest price per start hour for a window of so many hours, for each of the next 168 starts.

    Only the 2,000 lowest levels are read, so a start may be missing from a book with more.
    """
    first = now.replace(minute=0, second=0, microsecond=0) + HOUR
    prices: dict[int, int] = {}
    starts = CALENDAR_DAYS * 24
    levels = (
        Level.objects.filter(product=product, side=Order.Side.SELL, end__gte=first + hours * HOUR)
        .order_by("price_micros_per_gpu_hour")
        .values_list("price_micros_per_gpu_hour", "start", "end")[:CALENDAR_LEVELS_MAX]
    )
    for price, start, end in levels:
        earliest = max(0, -((first - start) // HOUR))
        latest = min(starts - 1, (end - first) // HOUR - hours)
        for number in range(earliest, latest + 1):
            prices.setdefault(number, price)
        if len(prices) == starts:
            break
    return [CalendarHour(first + number * HOUR, prices.get(number)) for number in range(starts)]


class Sale(NamedTuple):
    """The most that the present bids pay for GPUs, before the fee, and the GPU-hours that they want."""

    income_micros: int
    gpu_hours: int


SALE_LEVELS_MAX = 100


def sale(product: Product, *, gpus: int, start: datetime, end: datetime) -> Sale:
    """The income of selling GPUs over a window, from a full hour on, to those who bid for parts of it now.

    The dearest bids are served first, as far as GPUs are left in their hours. Only the 100 dearest levels are
    read.
    """
    left = [gpus] * max(0, (end - start) // HOUR)
    income = hours_sold = 0
    levels = (
        Level.objects.filter(product=product, side=Order.Side.BUY, start__gte=start, end__lte=end)
        .order_by("-price_micros_per_gpu_hour", "start", "end")
        .values_list("price_micros_per_gpu_hour", "start", "end", "gpus")[:SALE_LEVELS_MAX]
    )
    for price, begin, until, wanted in levels:
        hours = range((begin - start) // HOUR, (until - start) // HOUR)
        sold = min([wanted, *(left[hour] for hour in hours)])
        for hour in hours:
            left[hour] -= sold
        gpu_hours = sold * len(hours)
        income += quantities.notional_micros(
            gpu_minutes=gpu_hours * quantities.MINUTES_PER_HOUR, price_micros_per_gpu_hour=price
        )
        hours_sold += gpu_hours
    return Sale(income, hours_sold)


@dataclass(frozen=True, slots=True)
class Cost:
    """The most that a buy can cost, in micro-credits."""

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
        gpu_minutes, notional, quantities.share_micros(amount_micros=notional, bps=limits.fee_bps_max())
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """The cheapest way found to get the GPUs in one product. Nothing is reserved.

    `same_node`: all of them on one node; an order must say the same to cost the same.
    """

    product: Product
    start: datetime
    end: datetime
    gpus: int
    limit_micros: int
    cost: Cost
    same_node: bool

    @property
    def hours(self) -> int:
        return int((self.end - self.start) / HOUR)


def quotes(
    products: Sequence[Product],
    *,
    gpus: int,
    hours: int,
    within_days: int,
    now: datetime,
    same_node: bool | None = None,
) -> list[Quote]:
    """For each product the cheapest full-hour start, the cheapest first.

    With `same_node` on one node only, with False wherever it is cheapest; None: on one node where one has
    them all, else on several. The cost is exact for what rests now, taken from the cheapest up. The limit is
    the dearest that is needed, and is what an order would have to name.
    """
    first = now.replace(minute=0, second=0, microsecond=0) + HOUR
    last = first + (within_days * 24 - 1) * HOUR
    anywhere = _levels(products, ending_from=first + hours * HOUR)
    on_nodes = {}
    if same_node is not False:
        on_nodes = node_offers.of_products([product.pk for product in products], now=now)
    found = []
    for product in products:
        lots = -(-gpus // product.lot) * product.lot
        quote = None
        if same_node is not False:
            quote = _cheapest(
                product, on_nodes.get(product.pk, []), lots, hours, (first, last), same_node=True
            )
        if quote is None and not same_node:
            quote = _cheapest(product, anywhere[product.pk], lots, hours, (first, last), same_node=False)
        if quote is not None:
            found.append(quote)
    return sorted(found, key=lambda quote: quote.cost.total_micros)


def _levels(products: Sequence[Product], *, ending_from: datetime) -> dict[int, list[node_offers.Offered]]:
    """Product → what is offered on any nodes together, the cheapest first."""
    by_product: dict[int, list[node_offers.Offered]] = defaultdict(list)
    asks = Level.objects.filter(
        product__in=[product.pk for product in products], side=Order.Side.SELL, end__gte=ending_from
    ).order_by("price_micros_per_gpu_hour")
    for level in asks.iterator():
        by_product[level.product_id].append(
            node_offers.Offered(0, level.price_micros_per_gpu_hour, level.start, level.end, level.gpus)
        )
    return by_product


def _cheapest(
    product: Product,
    offered: list[node_offers.Offered],
    gpus: int,
    hours: int,
    starts: tuple[datetime, datetime],
    *,
    same_node: bool,
) -> Quote | None:
    """The cheapest start between two hours, the earliest of those that cost the same.

    More can be had only where an offer begins, so no other hours are looked at.
    """
    first, last = starts
    begins = {_hour_from(each.start) for each in offered}
    found = []
    for start in sorted({first, *(begin for begin in begins if first < begin <= last)}):
        end = start + hours * HOUR
        cheapest = node_offers.cheapest_node(offered, gpus=gpus, start=start, end=end)
        if cheapest is not None:
            hourly, limit = cheapest
            minutes = hours * quantities.MINUTES_PER_HOUR
            notional = quantities.notional_micros(gpu_minutes=minutes, price_micros_per_gpu_hour=hourly)
            fee = quantities.share_micros(amount_micros=notional, bps=limits.fee_bps_max())
            cost = Cost(gpus * minutes, notional, fee)
            found.append(Quote(product, start, end, gpus, limit, cost, same_node))
    return min(found, key=lambda quote: (quote.cost.total_micros, quote.start), default=None)


def _hour_from(moment: datetime) -> datetime:
    """The full hour at or after a moment."""
    floor = moment.replace(minute=0, second=0, microsecond=0)
    return floor if floor == moment else floor + HOUR


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one period: prices in micro-credits per GPU-hour, volume in GPU-minutes."""

    start: datetime
    open_micros: int
    high_micros: int
    low_micros: int
    close_micros: int
    gpu_minutes: int
    trades: int


PERIODS = {"1m": timedelta(minutes=1), "1h": HOUR, "1d": DAY}
CANDLES_MAX = 1000


def candles(product: Product, *, period: str, since: datetime, until: datetime) -> list[Candle]:
    """Candles of [since, until), oldest first, made from trades only; periods without trades have none."""
    length = PERIODS[period]
    made: list[Candle] = []
    trades = (
        Trade.objects.filter(product=product, at__gte=since, at__lt=until)
        .order_by("pk")
        .values_list("at", "price_micros_per_gpu_hour", "gpus", "start", "end")
    )
    for at, price, gpus, start, end in trades.iterator(chunk_size=2000):
        begin = _floor(at, length)
        minutes = gpus * (quantities.to_minutes(end) - quantities.to_minutes(start))
        if made and made[-1].start == begin:
            last = made[-1]
            made[-1] = Candle(
                begin,
                last.open_micros,
                max(last.high_micros, price),
                min(last.low_micros, price),
                price,
                last.gpu_minutes + minutes,
                last.trades + 1,
            )
        else:
            made.append(Candle(begin, price, price, price, price, minutes, 1))
    return made[-CANDLES_MAX:]


def _floor(moment: datetime, length: timedelta) -> datetime:
    seconds = int(length.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, moment.tzinfo)


@dataclass(frozen=True, slots=True)
class Ticker:
    """A product at a glance; None where nothing traded or rests."""

    last_micros: int | None
    day_open_micros: int | None
    day_high_micros: int | None
    day_low_micros: int | None
    day_gpu_minutes: int
    day_trades: int
    best_bid_micros: int | None
    best_ask_micros: int | None
    index_micros: int | None
    band_low_micros: int | None
    band_high_micros: int | None
    is_halted: bool


def ticker(product: Product, *, now: datetime) -> Ticker:
    """The last day's trading, and the best prices over any window that has not ended."""
    day = candles(product, period="1d", since=now - DAY, until=now + DAY)
    last = (
        Trade.objects.filter(product=product)
        .order_by("-pk")
        .values_list("price_micros_per_gpu_hour", flat=True)
        .first()
    )
    resting = Level.objects.filter(product=product, end__gt=now)
    bid = resting.filter(side=Order.Side.BUY).order_by("-price_micros_per_gpu_hour").first()
    ask = resting.filter(side=Order.Side.SELL).order_by("price_micros_per_gpu_hour").first()
    listing = Listing.objects.filter(product=product).first()
    return Ticker(
        last_micros=last,
        day_open_micros=day[0].open_micros if day else None,
        day_high_micros=max((candle.high_micros for candle in day), default=None),
        day_low_micros=min((candle.low_micros for candle in day), default=None),
        day_gpu_minutes=sum(candle.gpu_minutes for candle in day),
        day_trades=sum(candle.trades for candle in day),
        best_bid_micros=bid.price_micros_per_gpu_hour if bid else None,
        best_ask_micros=ask.price_micros_per_gpu_hour if ask else None,
        index_micros=listing.index_micros if listing else product.reference_price_micros,
        band_low_micros=listing.lowest_micros if listing else None,
        band_high_micros=listing.highest_micros if listing else None,
        is_halted=bool(listing and listing.is_stopped) or product.state == Product.State.HALTED,
    )


_newest_news = CompiledQuery(
    lambda shard, topic: Outbox.objects.filter(shard=shard, topic=topic).order_by("-sequence"),
    shard=31_111,
    topic="?topic",
)


def last_news(product: Product) -> int:
    """The number of a product's newest event: a stream that begins after it misses nothing."""
    newest = _newest_news.first(shard=product.shard_id, topic=news.topic_of(product.pk))
    return newest.sequence if newest else 0


def news_after(product: Product, *, after: int, limit: int) -> list[tuple[int, news.News]]:
    """(number, news) of a product after a number, in order."""
    rows = Outbox.objects.filter(shard=product.shard_id, topic=news.topic_of(product.pk), sequence__gt=after)
    found = rows.order_by("sequence").values_list("sequence", "payload")[:limit]
    return [(number, news.read(payload)) for number, payload in found]
