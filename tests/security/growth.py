"""Measures how a parser's cost grows with its input, in processor time, also on a busy machine.

Tests that measure have the mark `growth`: `script/test` runs them in their own process. The heap of a process
that has run thousands of tests is scattered, and objects in it cost more the more of them a call makes.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

# A doubled input may cost so many times as much, in the mean of the doublings. Linear is 2; quadratic is 4.
GROWTH_MAX = 2.6
DOUBLINGS = 3
# The first size costs at least this, so that what a call costs whatever its input is small beside it.
FIRST_SECONDS_MIN = 0.001
# Input whose greatest size costs less than this is cheap enough, however it grows.
LAST_SECONDS_MIN = 0.003
# Short calls are repeated until the clock has counted this much.
MEASURED_SECONDS_MIN = 0.003
TRIES = 4
# Options of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
HELD_BYTES = 1 << 30
Text = TypeVar("Text", str, bytes)
Given = TypeVar("Given")


@cache
def hold_heap() -> list[list[object]]:
    """Keep memory that is given back by one call for the next; returns what has to be kept for it.

    Otherwise each call that needs more than a megabyte has its pages from the kernel anew. On virtual
    machines that costs more than the parser does, and the growth measured is that of the page faults.
    One small object in each of Python's arenas keeps them; a glibc option keeps the rest.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, HELD_BYTES)
        mallopt(M_TRIM_THRESHOLD, HELD_BYTES)
    filled: list[list[object]] = [[] for _ in range(1_500_000)]
    return filled[::4000]


def cost(parse: Callable[[Given], object], given: Given) -> float:
    """Processor seconds of this thread for one call, the least of two measurements.

    Without garbage collection: it walks everything that the tests have loaded, whatever is measured.
    """
    hold_heap()
    best = float("inf")
    gc.disable()
    try:
        for _ in range(2):
            best = min(best, _mean(parse, given))
            if best > 10 * MEASURED_SECONDS_MIN:
                break
    finally:
        gc.enable()
    return best


def _mean(parse: Callable[[Given], object], given: Given) -> float:
    calls = 0
    started = time.thread_time()
    while True:
        parse(given)
        calls += 1
        spent = time.thread_time() - started
        if spent >= MEASURED_SECONDS_MIN or calls == 100:
            return spent / calls


def assert_linear(
    parse: Callable[[Text], object], maker: Callable[[int], Text], *, chars_max: int, chars: int = 2000
) -> None:
    """Double an input three times; the cost grows by at most 2.6 for each doubling, in their mean.

    The mean, because one doubling alone may cross the size of a processor cache or of the heap. The sizes
    begin where a call takes a millisecond, or so that the last is within `chars_max`. Costs that grow too
    much are measured again, and the least of each size counts: other processes only ever add to it.
    A test that calls this has the mark `growth`, so that it runs in a process of its own.
    """
    while chars * 2 ** (DOUBLINGS + 1) <= chars_max and cost(parse, maker(chars)) < FIRST_SECONDS_MIN:
        chars *= 2
    sizes = [chars * 2**doubling for doubling in range(DOUBLINGS + 1)]
    least = [float("inf")] * len(sizes)
    growth = float("inf")
    for _ in range(TRIES):
        least = [min(least[at], cost(parse, maker(size))) for at, size in enumerate(sizes)]
        growth = float((least[-1] / least[0]) ** (1 / DOUBLINGS))
        if least[-1] < LAST_SECONDS_MIN or growth <= GROWTH_MAX:
            return
    costs = ", ".join(f"{seconds * 1000:.2f} ms" for seconds in least)
    raise AssertionError(f"grows by {growth:.2f} for each doubling from {chars} characters: {costs}")
