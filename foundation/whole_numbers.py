"""Whole numbers that a database column can hold, from texts of any length."""

from __future__ import annotations

# The largest number that a column holds.
INT64_MAX = 2**63 - 1


def whole_number(text: str | None) -> int | None:
    """The number that ASCII digits say, if a database can hold it; None for any other text.

    Its work is bounded. `int` takes time that grows with the square of the digits, and refuses thousands.
    """
    if text is None or not text.isascii() or not text.isdecimal() or len(text.lstrip("0")) > 19:
        return None
    number = int(text)
    return number if number <= INT64_MAX else None


def saturated(digits: str) -> int:
    """The number that these decimal digits say, or INT64_MAX where it is larger. For sizes and positions."""
    found = whole_number(digits)
    return INT64_MAX if found is None else found
