"""The measure of growth itself: what grows too fast fails it, and what does not passes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from tests.security import growth
from tests.security.growth import DOUBLINGS, assert_linear


def shuffled(chars: int) -> str:
    letters = random.Random(1)
    return "".join(letters.choices("abcdefghijklmnop", k=chars))


def quadratic(text: str) -> None:
    for _ in range(len(text) // 100):
        text.count("-")


def linear_then_quadratic(text: str) -> None:
    """As most faults are: each character costs a little, and a little more for all before it."""
    sum(map(ord, text))
    quadratic(text)


@pytest.mark.growth
class TestMeasured:
    def test_a_quadratic_function_fails(self) -> None:
        with pytest.raises(AssertionError, match="for each doubling"):
            assert_linear(quadratic, shuffled, chars_max=400_000)

    def test_a_quadratic_part_of_a_function_fails(self) -> None:
        with pytest.raises(AssertionError, match="for each doubling"):
            assert_linear(linear_then_quadratic, shuffled, chars_max=400_000)

    def test_sorting_passes(self) -> None:
        assert_linear(sorted, shuffled, chars_max=400_000)

    def test_a_linear_function_passes(self) -> None:
        assert_linear(lambda text: sum(map(ord, text)), shuffled, chars_max=400_000)


class Clock:
    """Processor time that passes only as a function of the length says: the same on every machine."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.now = 0.0
        self._seconds = seconds

    def thread_time(self) -> float:
        return self.now

    def parse(self, text: str) -> None:
        self.now += self._seconds(len(text))


class TestByTheClock:
    @pytest.mark.parametrize(
        ("seconds", "passes"),
        [
            (lambda chars: chars * 1e-7, True),
            (lambda chars: chars * math.log2(chars) * 1e-8, True),
            (lambda chars: chars * 1e-7 * (1.45 if chars > 64_000 else 1), True),
            (lambda chars: chars**1.5 * 1e-9, False),
            (lambda chars: chars**2 * 1e-11, False),
            (lambda chars: 0.001 + chars**2 * 1e-10, False),
            (lambda chars: chars**2 * 1e-15, True),
        ],
        ids=["linear", "n log n", "one jump", "n to 1.5", "quadratic", "constant first", "cheap"],
    )
    def test_is_judged(
        self, seconds: Callable[[int], float], passes: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(seconds)
        monkeypatch.setattr(growth, "time", clock)
        if passes:
            assert_linear(clock.parse, lambda chars: "x" * chars, chars_max=256_000)
        else:
            with pytest.raises(AssertionError):
                assert_linear(clock.parse, lambda chars: "x" * chars, chars_max=256_000)

    def test_doubles_three_times(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lengths: list[int] = []

        def seconds(chars: int) -> float:
            lengths.append(chars)
            return chars * 1e-6

        clock = Clock(seconds)
        monkeypatch.setattr(growth, "time", clock)
        assert_linear(clock.parse, lambda chars: "x" * chars, chars_max=16_000)
        assert sorted(set(lengths)) == [2000 * 2**doubling for doubling in range(DOUBLINGS + 1)]
