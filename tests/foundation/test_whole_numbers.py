"""Whole numbers from texts of any length."""

from __future__ import annotations

import pytest

from foundation.whole_numbers import INT64_MAX, saturated, whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        (str(INT64_MAX), INT64_MAX),
        (str(INT64_MAX + 1), None),
        ("9" * 100_000, None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_are_those_that_a_column_holds(text: str | None, number: int | None) -> None:
    assert whole_number(text) == number


def test_sizes_beyond_are_the_largest_one() -> None:
    assert [saturated(text) for text in ("12", "9" * 30)] == [12, INT64_MAX]
