"""Charts of the market as SVG from the server: geometry here, colours in the sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WIDTH, HEIGHT = 640, 220
CANDLES_MAX = 72
VOLUME_TOP, VOLUME_HEIGHT = 232, 40
AXIS_LINES_MAX = 5


def sparkline(prices: Sequence[int], *, width: int = 96, height: int = 24) -> str:
    """The points of a polyline through the prices, oldest first; empty with fewer than two."""
    if len(prices) < 2:
        return ""
    low, high = min(prices), max(prices)
    span = (high - low) or 1
    step = width / (len(prices) - 1)
    return " ".join(
        f"{index * step:.1f},{height - 2 - (price - low) * (height - 4) / span:.1f}"
        for index, price in enumerate(prices)
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a bar chart; an amount below zero is drawn as none."""

    x: float
    width: float
    y: float
    height: float
    day: date
    amount_micros: int


def day_bars(amounts: Sequence[tuple[date, int]], *, width: int = 640, height: int = 80) -> list[Bar]:
    """Bars of amounts per day, oldest first; empty if there is nothing to draw."""
    most = max((amount for _, amount in amounts), default=0)
    if most <= 0:
        return []
    step = width / len(amounts)
    found = []
    for index, (day, amount) in enumerate(amounts):
        tall = round(max(0, amount) * height / most, 1)
        found.append(
            Bar(round(index * step, 1), round(step * 0.8, 1), round(height - tall, 1), tall, day, amount)
        )
    return found


@dataclass(frozen=True, slots=True)
class Depth:
    """Two step lines as SVG paths: the cumulated bids and asks up to each price."""

    bids: str
    asks: str
    bids_area: str
    asks_area: str
    low_micros: int
    high_micros: int
    most_gpus: int


def depth(bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]) -> Depth | None:
    """From (price, GPUs) of each side, best first. None when nothing rests."""
    prices = [price for price, _ in (*bids, *asks)]
    if not prices:
        return None
    low, high = min(prices), max(prices)
    margin = max((high - low) // 12, high // 50, 1)
    low, high = max(0, low - margin), high + margin
    most = max(sum(gpus for _, gpus in bids), sum(gpus for _, gpus in asks), 1)

    def x(price: int) -> float:
        return (price - low) * WIDTH / (high - low)

    def y(gpus: int) -> float:
        return HEIGHT - gpus * (HEIGHT - 12) / most

    def stairs(levels: Sequence[tuple[int, int]], edge: float) -> tuple[str, str]:
        if not levels:
            return "", ""
        total, first = 0, x(levels[0][0])
        path = f"M{first:.1f} {HEIGHT}"
        for price, gpus in levels:
            path += f"H{x(price):.1f}"
            total += gpus
            path += f"V{y(total):.1f}"
        path += f"H{edge:.1f}"
        return path, f"{path}V{HEIGHT}Z"

    bid_line, bid_area = stairs(bids, 0)
    ask_line, ask_area = stairs(asks, WIDTH)
    return Depth(bid_line, ask_line, bid_area, ask_area, low, high, most)


@dataclass(frozen=True, slots=True)
class Candle:
    """One period: geometry, and what it says to who hovers."""

    x: float
    width: float
    body_y: float
    body_height: float
    wick_top: float
    wick_bottom: float
    has_risen: bool
    at: datetime
    open: int
    high: int
    low: int
    close: int
    gpus: int
    volume_y: float
    volume_height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Scale:
    """The first and the last moment of candles, and the lines of their axis: (height in the chart, price)."""

    since: datetime
    until: datetime
    lines: Sequence[tuple[float, int]]


def scale(drawn: Sequence[Candle]) -> Scale | None:
    """The labels at the edges of a chart of candles; None without candles."""
    if not drawn:
        return None
    low, high = min(candle.low for candle in drawn), max(candle.high for candle in drawn)
    lines = [(_height(price, low, high), price) for price in _round_prices(low, high)]
    return Scale(drawn[0].at, drawn[-1].at, lines)


def _height(price: int, low: int, high: int) -> float:
    """The place of a price in a chart of candles; one price throughout is a line through the middle."""
    return round(10 + (high - price) * (HEIGHT - 20) / (high - low), 1) if high > low else HEIGHT / 2


def _round_prices(low: int, high: int) -> list[int]:
    """At most six round prices within the bounds: multiples of 1, 2 or 5 times a power of ten."""
    if high == low:
        return [low]
    step, factors = 1, (2, 5, 10)
    magnitude = 1
    while (high - low) // step > AXIS_LINES_MAX:
        for factor in factors:
            step = magnitude * factor
            if (high - low) // step <= AXIS_LINES_MAX:
                break
        magnitude *= 10
    return list(range(-(-low // step) * step, high + 1, step))


def candles(trades: Iterable[tuple[datetime, int, int]], *, period: timedelta) -> list[Candle]:
    """From trades (moment, price, GPUs), oldest first; periods without trades are left out."""
    groups: dict[int, list[tuple[datetime, int, int]]] = {}
    seconds = int(period.total_seconds())
    for trade in trades:
        groups.setdefault(int(trade[0].timestamp()) // seconds, []).append(trade)
    shown = list(groups.values())[-CANDLES_MAX:]
    if not shown:
        return []
    prices = [price for group in shown for _, price, _ in group]
    low, high = min(prices), max(prices)
    step = min(WIDTH / len(shown), 28)
    most = max(sum(gpus for _, _, gpus in group) for group in shown)

    def y(price: int) -> float:
        return _height(price, low, high)

    found = []
    for index, group in enumerate(shown):
        values = [price for _, price, _ in group]
        first, last, top, bottom = values[0], values[-1], max(values), min(values)
        gpus = sum(gpus for _, _, gpus in group)
        volume = round(gpus * VOLUME_HEIGHT / most, 1)
        found.append(
            Candle(
                x=round(index * step + step * 0.15, 1),
                width=round(step * 0.7, 1),
                body_y=min(y(first), y(last)),
                body_height=max(1.5, abs(y(first) - y(last))),
                wick_top=y(top),
                wick_bottom=y(bottom),
                has_risen=last >= first,
                at=group[0][0],
                open=first,
                high=top,
                low=bottom,
                close=last,
                gpus=gpus,
                volume_y=round(VOLUME_TOP + VOLUME_HEIGHT - volume, 1),
                volume_height=volume,
            )
        )
    return found
