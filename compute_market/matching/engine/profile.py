"""The number of sold GPUs of an offer over time, as steps.

A profile is a tuple of `(from_minute, sold)` in rising time; each step holds until the next one, the last
until the offer's end. It is exact: neighbours differ, and the first step stands at the offer's start.
"""

from __future__ import annotations

Steps = tuple[tuple[int, int], ...]
Rectangle = tuple[int, int, int]  # start, end, gpus


def peak(steps: Steps, start: int, end: int) -> int:
    """The most that is sold at any time within [start, end)."""
    highest = sold = 0
    for since, level in steps:
        if since >= end:
            break
        if since > start and sold > highest:
            highest = sold
        sold = level
    return max(highest, sold)


def sell(steps: Steps, start: int, end: int, gpus: int, until: int) -> Steps:
    """Sell `gpus` more over [start, end) of an offer that ends at `until`."""
    cuts = sorted({start, end, *(since for since, _ in steps)})
    result: list[tuple[int, int]] = []
    level = 0
    base = dict(steps)
    for since in cuts:
        level = base.get(since, level)
        sold = level + gpus if start <= since < end else level
        if since < until and (not result or result[-1][1] != sold):
            result.append((since, sold))
    return tuple(result)


def hull(steps: Steps, gpus: int, until: int) -> tuple[int, int] | None:
    """From the first minute that has something free to the last, or None if all is sold."""
    first = last = -1
    for index, (since, sold) in enumerate(steps):
        if sold < gpus:
            if first < 0:
                first = since
            last = steps[index + 1][0] if index + 1 < len(steps) else until
    return None if first < 0 else (first, last)


def free_minutes(steps: Steps, gpus: int, until: int) -> int:
    """GPU-minutes not sold yet."""
    total = 0
    for index, (since, sold) in enumerate(steps):
        if sold < gpus:
            total += (gpus - sold) * ((steps[index + 1][0] if index + 1 < len(steps) else until) - since)
    return total


def layers(steps: Steps, gpus: int, until: int) -> list[Rectangle]:
    """Cut the free capacity into rectangles that are as long as possible.

    An offer can sell, over a window, the sum of the layers that cover the window. So the depth of a book is a
    plain sum over rows, for any window.
    """
    result: list[Rectangle] = []
    standing: list[tuple[int, int]] = []  # (since, free GPUs), rising in both
    for since, sold in (*steps, (until, gpus)):
        free = max(0, gpus - sold)
        begin = since
        while standing and standing[-1][1] > free:
            begin, top = standing.pop()
            below = max(free, standing[-1][1] if standing else 0)
            result.append((begin, since, top - below))
        if free > (standing[-1][1] if standing else 0):
            standing.append((begin, free))
    return sorted(result)
