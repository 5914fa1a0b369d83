"""Charts of the market as SVG from the server: geometry here, colours in the sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 640, 220
CANDLES_MAX = 72


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

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Scale:
    """Between which prices and moments candles lie."""

    low_micros: int
    high_micros: int
    since: datetime
    until: datetime


def scale(drawn: Sequence[Candle]) -> Scale | None:
    """The labels at the edges of a chart of candles; None without candles."""
    if not drawn:
        return None
    low, high = min(candle.low for candle in drawn), max(candle.high for candle in drawn)
    return Scale(low, high, drawn[0].at, drawn[-1].at)


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
    span = high - low
    step = min(WIDTH / len(shown), 28)

    def y(price: int) -> float:
        # One price throughout is a line through the middle.
        return round(10 + (high - price) * (HEIGHT - 20) / span, 1) if high > low else HEIGHT / 2

    found = []
    for index, group in enumerate(shown):
        values = [price for _, price, _ in group]
        first, last, top, bottom = values[0], values[-1], max(values), min(values)
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
                gpus=sum(gpus for _, _, gpus in group),
            )
        )
    return found
