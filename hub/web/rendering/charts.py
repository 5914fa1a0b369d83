"""Charts as SVG from the server: geometry here, colours in the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 180, 44
GAP = 1


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: where its bar stands, and what it says to who hovers."""

    x: float
    y: float
    width: float
    height: float
    day: date
    number: int


def bars(days: Sequence[tuple[date, int]]) -> list[Bar]:
    """Bars in a box of 180 × 44; a quiet day keeps a hairline."""
    most = max((number for _, number in days), default=0) or 1
    step = WIDTH / max(1, len(days))
    found = []
    for index, (day, number) in enumerate(days):
        height = max(1.0, round(HEIGHT * number / most, 1))
        found.append(
            Bar(round(index * step, 1), round(HEIGHT - height, 1), round(step - GAP, 1), height, day, number)
        )
    return found
