"""The reasons that an order has not filled: the orders nearest to it, and what would have to differ. A read.

Only the rows of the book are looked at, as they stand now; for an order that is finished, that is what an
order like it would meet today.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compute_market.amounts import credits_of
from compute_market.matching.models import Level, Listing, Order
from compute_market.matching.views import node_offers
from compute_market.matching.views.node_offers import Offered, most_of_one_node
from compute_market.offers.models import Product
from foundation.clock import HOUR, floor_minute

PRICES_SHOWN = 3
PRODUCTS_SHOWN = 3
WINDOWS_SHOWN = 2
LEVELS_READ_MAX = 500
TERMS = ("region", "tier", "interconnect")


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing that nearly fits. `what` says what would have to be different:

    `dearer`, `cheaper`: the price, by `difference_micros` per GPU-hour. `later`, `earlier`: the window, moved
    by `hours`; `shorter`: only so many of its hours; `longer`: so many more; `sold`: they are sold already.
    `several`: the one node that it wants, or has begun with. `region`, `tier`, `interconnect`, `gpu`: the
    product. `node`, `bond`, `halted`: nothing of the order's own.

    `gpus` could be had (or sold) there, over [start, end), at the price.
    """

    what: str
    text: str
    product: str
    gpus: int = 0
    price_micros: int | None = None
    difference_micros: int = 0
    hours: int = 0
    start: datetime | None = None
    end: datetime | None = None


def misses(order: Order, *, now: datetime) -> list[Miss]:
    """The nearest misses of an order; of one that is filled, none. At most a dozen."""
    if order.state == Order.State.FILLED:
        return []
    found = list(_stopped(order, now))
    if order.side == Order.Side.SELL:
        return [*found, *_lower_prices(order), *_other_windows_of_bids(order, now)]
    if order.start < floor_minute(now):
        return found
    asks = _asks_for(order, now)
    return [
        *found,
        *_several_nodes(order, asks),
        *_higher_prices(order, asks),
        *_other_windows(order, asks, now),
        *_other_products(order),
    ]


def _stopped(order: Order, now: datetime) -> Iterator[Miss]:
    """The reason for which an order cannot trade at all."""
    product = order.product
    listing = Listing.objects.filter(product=product.pk).first()
    if product.state != Product.State.OPEN or (listing is not None and listing.is_stopped):
        yield Miss("halted", _("The product is not trading right now."), product.slug)
    if order.node is not None and order.node.lacks_bond:
        text = _(
            "The provider's bond is too low for the declared hardware of node {node}; its "
            "offers are off the book until more is posted."
        )
        yield Miss("bond", text.format(node=order.node.name), product.slug)
    elif order.node is not None and not order.node.is_tradable(now):
        text = _("The node {node} is not tradable now; its offers are off the book until it is back.")
        yield Miss("node", text.format(node=order.node.name), product.slug)


# ---- a buy: dearer offers, other hours, other products -----------------------------------------------


def _asks() -> QuerySet[Level]:
    return Level.objects.filter(side=Order.Side.SELL).order_by("price_micros_per_gpu_hour", "start")


def _asks_for(order: Order, now: datetime) -> list[Offered]:
    """The offers that a buy could trade with, at any price and over any hours, the cheapest first.

    For a buy that wants one node, each node counts by itself; once it has fills, only their node counts.
    """
    if not order.same_node:
        levels = _asks().filter(product=order.product_id)[:LEVELS_READ_MAX]
        return [
            Offered(0, level.price_micros_per_gpu_hour, level.start, level.end, level.gpus)
            for level in levels
        ]
    node = order.trades_as_buy.values_list("node", flat=True).first()
    if node is None and order.extends is not None:
        node = order.extends.node_id
    offered = node_offers.of_products([order.product_id], now=now).get(order.product_id, [])
    return [each for each in offered if node in {None, each.node}]


def _several_nodes(order: Order, asks: Sequence[Offered]) -> Iterator[Miss]:
    """True if more GPUs were available at its price from several nodes."""
    if not order.same_node:
        return
    limit, wanted = order.price_micros_per_gpu_hour, _unfilled_gpus(order)
    affordable = [each for each in asks if each.price_micros_per_gpu_hour <= limit]
    of_one = most_of_one_node(affordable, order.start, order.end)
    covering = _asks().filter(
        product=order.product_id,
        start__lte=order.start,
        end__gte=order.end,
        price_micros_per_gpu_hour__lte=limit,
    )
    of_several = min(wanted, covering.aggregate(gpus=Sum("gpus", default=0))["gpus"])
    if of_several > of_one:
        text = _("{gpus} at your price across several nodes, if same_node is false.")
        yield Miss(
            "several",
            text.format(gpus=_gpus(of_several)),
            order.product.slug,
            of_several,
            limit,
            start=order.start,
            end=order.end,
        )


def _higher_prices(order: Order, asks: Sequence[Offered]) -> Iterator[Miss]:
    """The additional price for each further number of GPUs, until the whole order could be filled."""
    limit, wanted = order.price_micros_per_gpu_hour, _unfilled_gpus(order)
    by_price: dict[int, int] = {}
    by_node: dict[int, int] = defaultdict(int)
    for ask in asks:
        if ask.start <= order.start and ask.end >= order.end:
            by_node[ask.node] += ask.gpus
            by_price[ask.price_micros_per_gpu_hour] = min(max(by_node.values()), wanted)
    dearer = [(price, gpus) for price, gpus in by_price.items() if price > limit]
    enough = next((place for place, (_price, gpus) in enumerate(dearer) if gpus == wanted), len(dearer))
    for price, gpus in dearer[: min(enough + 1, PRICES_SHOWN)]:
        text = _("Raise your limit by {more} per GPU-hour to get {gpus}.")
        yield Miss(
            "dearer",
            text.format(gpus=_gpus(gpus), more=credits_of(price - limit)),
            order.product.slug,
            gpus,
            price,
            price - limit,
            start=order.start,
            end=order.end,
        )


def _other_windows(order: Order, asks: Sequence[Offered], now: datetime) -> Iterator[Miss]:
    """As many hours later or earlier, or some of the hours, for no more than the limit."""
    if order.extends_id is not None:
        return
    limit, soonest = order.price_micros_per_gpu_hour, _next_hour(now)
    levels = [each for each in asks if each.price_micros_per_gpu_hour <= limit and each.end > soonest]
    length, wanted = order.end - order.start, _unfilled_gpus(order)
    later = sorted({_hour_from(level.start) for level in levels if level.start > order.start})
    ends = {level.end - length for level in levels}
    earlier = sorted({start for start in ends if soonest <= start < order.start}, reverse=True)
    for what, starts, sentence in (
        ("later", later, _("{gpus} at your price, starting {hours} later: {start} UTC.")),
        ("earlier", earlier, _("{gpus} at your price, starting {hours} earlier: {start} UTC.")),
    ):
        offered = [(start, most_of_one_node(levels, start, start + length)) for start in starts]
        fitting = [(start, gpus) for start, gpus in offered if gpus]
        if fitting:
            start, gpus = next((one for one in fitting if one[1] >= wanted), fitting[0])
            hours = -(-abs(start - order.start) // HOUR)
            text = sentence.format(gpus=_gpus(min(gpus, wanted)), hours=_hours(hours), start=_moment(start))
            yield Miss(
                what,
                text,
                order.product.slug,
                min(gpus, wanted),
                limit,
                hours=hours,
                start=start,
                end=start + length,
            )
    yield from _some_of_the_hours(order, levels)


def _some_of_the_hours(order: Order, levels: Sequence[Offered]) -> Iterator[Miss]:
    """The longest part of the window that is offered, if no offer covers the whole."""
    parts = {
        (_hour_from(max(level.start, order.start)), min(level.end, order.end))
        for level in levels
        if level.start > order.start or level.end < order.end
    }
    whole = [(start, end) for start, end in parts if end - start >= HOUR]
    if not whole:
        return
    start, end = max(whole, key=lambda part: (part[1] - part[0], most_of_one_node(levels, *part)))
    gpus = min(most_of_one_node(levels, start, end), _unfilled_gpus(order))
    hours = (end - start) // HOUR
    text = _("{gpus} at your price for only {hours}: {start} – {end} UTC.")
    yield Miss(
        "shorter",
        text.format(gpus=_gpus(gpus), hours=_hours(hours), start=_moment(start), end=_moment(end)),
        order.product.slug,
        gpus,
        order.price_micros_per_gpu_hour,
        hours=hours,
        start=start,
        end=end,
    )


def _other_products(order: Order) -> Iterator[Miss]:
    """The whole window for no more: the same GPU on other terms, else one with no less memory."""
    own = order.product
    covering = (
        _asks()
        .filter(
            start__lte=order.start,
            end__gte=order.end,
            price_micros_per_gpu_hour__lte=order.price_micros_per_gpu_hour,
            product__state=Product.State.OPEN,
            product__memory_gb__gte=own.memory_gb,
        )
        .exclude(product=own)
    )
    offered: dict[Product, int] = {}
    cheapest: dict[Product, int] = {}
    for level in covering.select_related("product")[:LEVELS_READ_MAX]:
        offered[level.product] = offered.get(level.product, 0) + level.gpus
        cheapest.setdefault(level.product, level.price_micros_per_gpu_hour)
    wanted = _unfilled_gpus(order)

    def strangeness(product: Product) -> tuple[bool, int, bool, int]:
        differing = _differences(own, product)
        return "gpu" in differing, len(differing), offered[product] < wanted, cheapest[product]

    for product in sorted(offered, key=strangeness)[:PRODUCTS_SHOWN]:
        gpus, price = min(offered[product], wanted), cheapest[product]
        differing = _differences(own, product)
        text = _("{gpus} of {product} instead, from {price} per GPU-hour.")
        yield Miss(
            "gpu" if "gpu" in differing else differing[0],
            text.format(gpus=_gpus(gpus), product=product.slug, price=credits_of(price)),
            product.slug,
            gpus,
            price,
            price - order.price_micros_per_gpu_hour,
            start=order.start,
            end=order.end,
        )


def _differences(one: Product, other: Product) -> list[str]:
    """The terms in which another product differs; `gpu` stands for another make, form or memory."""
    terms = [trait for trait in TERMS if getattr(one, trait) != getattr(other, trait)]
    is_same = (one.gpu, one.form, one.memory_gb) == (other.gpu, other.form, other.memory_gb)
    return terms if is_same else [*terms, "gpu"]


# ---- a sell: lower bids, and bids for hours it does not have -----------------------------------------


def _bids(order: Order) -> QuerySet[Level]:
    bids = Level.objects.filter(side=Order.Side.BUY, product=order.product_id)
    return bids.order_by("-price_micros_per_gpu_hour", "start")


def _lower_prices(order: Order) -> Iterator[Miss]:
    """The lower prices that bids pay, and their hours."""
    limit, wanted = order.price_micros_per_gpu_hour, order.gpus
    below = _bids(order).filter(
        start__gte=order.start, end__lte=order.end, price_micros_per_gpu_hour__lt=limit
    )
    for level in below[:PRICES_SHOWN]:
        less = limit - level.price_micros_per_gpu_hour
        gpus = min(level.gpus, wanted)
        text = _("Lower your price by {less} per GPU-hour to meet a bid for {gpus}: {start} – {end} UTC.")
        yield Miss(
            "cheaper",
            text.format(
                gpus=_gpus(gpus), less=credits_of(less), start=_moment(level.start), end=_moment(level.end)
            ),
            order.product.slug,
            gpus,
            level.price_micros_per_gpu_hour,
            -less,
            start=level.start,
            end=level.end,
        )


def _other_windows_of_bids(order: Order, now: datetime) -> Iterator[Miss]:
    """The bids that pay the price, but for hours that the offer does not have."""
    paying = _bids(order).filter(
        price_micros_per_gpu_hour__gte=order.price_micros_per_gpu_hour, start__gte=now
    )
    missing = [(_hours_outside(order, level), level) for level in paying[:LEVELS_READ_MAX]]
    missing.sort(key=lambda pair: pair[0])
    for hours, level in missing[:WINDOWS_SHOWN]:
        gpus = min(level.gpus, order.gpus)
        text = (
            _("A bid for {gpus} at your price, {hours} of it outside your window: {start} – {end} UTC.")
            if hours
            else _("A bid for {gpus} at your price, for hours you have sold in part: {start} – {end} UTC.")
        )
        yield Miss(
            "longer" if hours else "sold",
            text.format(
                gpus=_gpus(gpus), hours=_hours(hours), start=_moment(level.start), end=_moment(level.end)
            ),
            order.product.slug,
            gpus,
            level.price_micros_per_gpu_hour,
            hours=hours,
            start=level.start,
            end=level.end,
        )


def _hours_outside(order: Order, level: Level) -> int:
    """The number of wanted hours that lie before or after those that the order offers."""
    inside = max(min(level.end, order.end) - max(level.start, order.start), HOUR * 0)
    return -(-(level.end - level.start - inside) // HOUR)


# ---- words and moments -------------------------------------------------------------------------------


def _unfilled_gpus(order: Order) -> int:
    return -(-(order.total_gpu_minutes - order.filled_gpu_minutes) // order.minutes)


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + HOUR


def _hour_from(moment: datetime) -> datetime:
    """The full hour at or after a moment."""
    floor = moment.replace(minute=0, second=0, microsecond=0)
    return floor if floor == moment else floor + HOUR


def _gpus(count: int) -> str:
    return ngettext("{count} GPU", "{count} GPUs", count).format(count=count)


def _hours(count: int) -> str:
    return ngettext("{count} hour", "{count} hours", count).format(count=count)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
