"""Whether a parser's cost grows with its input, measured in processor time and robust on a busy machine."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from typing import TypeVar

# A doubled input may cost so many times as much. Linear is 2; quadratic is 4.
GROWTH_MAX = 2.6
# Shorter than this, a step is noise.
STEP_SECONDS_MIN = 0.003
TRIES = 4
Text = TypeVar("Text", str, bytes)


def cost(parse: Callable[[Text], object], given: Text) -> float:
    """Processor seconds of this thread, the least of a few runs.

    Without garbage collection: it walks everything that the tests have loaded, whatever is measured.
    """
    best = float("inf")
    gc.disable()
    try:
        for _ in range(2):
            started = time.thread_time()
            parse(given)
            best = min(best, time.thread_time() - started)
            if best > 10 * STEP_SECONDS_MIN:
                break
    finally:
        gc.enable()
    return best


def assert_linear(
    parse: Callable[[Text], object], maker: Callable[[int], Text], *, chars_max: int, chars: int = 2000
) -> None:
    """Double an input from where a step is measurable; each doubling costs at most 2.6 times as much.

    Input that is never measurable within `chars_max` is cheap enough. A bad ratio is measured again.
    """
    while chars <= chars_max // 4 and cost(parse, maker(chars)) < STEP_SECONDS_MIN:
        chars *= 2
    ratios: list[list[float]] = []
    for _ in range(TRIES):
        steps: list[float] = []
        size = chars
        while size <= chars_max and len(steps) < 3:
            steps.append(cost(parse, maker(size)))
            size *= 2
        if steps[-1] < STEP_SECONDS_MIN:
            return
        ratios.append([later / earlier for earlier, later in itertools.pairwise(steps)])
        if max(ratios[-1], default=0.0) <= GROWTH_MAX:
            return
    raise AssertionError(f"grows by {ratios} for each doubling from {chars} characters")
