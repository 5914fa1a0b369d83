"""The book of a product as a ladder: cumulative sizes, own orders, the spread; and its price calendar."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from compute_market.matching.models import Order
from compute_market.matching.views.marketdata import CalendarHour
from compute_market.web.forms import amount_of

# The classes of a calendar's prices, from the lowest to the highest.
SHADES = ("shade-lowest", "shade-low", "shade-high", "shade-highest")


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """One price of a side. `total` is what reaches it from the best price on; `share` is that in percent."""

    price_micros: int
    gpus: int
    total: int
    share: int
    is_own: bool

    @property
    def price(self) -> str:
        """The price as the ticket's field and its address want it."""
        return amount_of(self.price_micros)


@dataclass(frozen=True, slots=True)
class Ladder:
    """The best prices of both sides; asks with the dearest first, as they stand above the bids."""

    asks: list[PriceLevel]
    bids: list[PriceLevel]
    spread_micros: int | None
    spread_percent: float


def ladder(
    bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], *, own: Collection[Order], levels: int
) -> Ladder:
    """From (price, GPUs) of each side, best first; `own` are the visitor's live orders."""
    mine = {(order.side, order.price_micros_per_gpu_hour) for order in own}
    up, down = (_priced(side, levels) for side in (asks, bids))
    most = max([level[2] for level in (*up, *down)], default=1)

    def made(priced: list[tuple[int, int, int]], side: int) -> list[PriceLevel]:
        return [
            PriceLevel(price, gpus, total, total * 100 // most, (side, price) in mine)
            for price, gpus, total in priced
        ]

    spread = asks[0][0] - bids[0][0] if asks and bids else None
    return Ladder(
        asks=made(up, Order.Side.SELL)[::-1],
        bids=made(down, Order.Side.BUY),
        spread_micros=spread,
        spread_percent=spread * 100 / asks[0][0] if spread is not None else 0.0,
    )


def _priced(side: Sequence[tuple[int, int]], levels: int) -> list[tuple[int, int, int]]:
    """(price, GPUs, GPUs up to here) of the best levels."""
    found, total = [], 0
    for price, gpus in side[:levels]:
        total += gpus
        found.append((price, gpus, total))
    return found


@dataclass(frozen=True, slots=True)
class CalendarCell:
    """A start hour with its lowest price, and the class that colours it."""

    start: datetime
    price_micros: int | None
    shade: str

    @property
    def price(self) -> str:
        return amount_of(self.price_micros or 0)


def calendar_days(hours: Sequence[CalendarHour]) -> list[tuple[date, list[CalendarCell | None]]]:
    """A line of 24 cells per day; an hour outside of the calendar has none. Empty without offers."""
    prices = sorted({hour.price_micros for hour in hours if hour.price_micros is not None})
    if not prices:
        return []
    shades = {price: SHADES[number * len(SHADES) // len(prices)] for number, price in enumerate(prices)}
    days: list[tuple[date, list[CalendarCell | None]]] = []
    for day, group in groupby(hours, key=lambda hour: hour.start.date()):
        cells: list[CalendarCell | None] = [None] * 24
        for hour in group:
            shade = shades.get(hour.price_micros or 0, "")
            cells[hour.start.hour] = CalendarCell(hour.start, hour.price_micros, shade)
        days.append((day, cells))
    return days
