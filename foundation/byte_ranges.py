"""Files that are read by ranges, so that a few bytes of a large one cost no more than a few."""

from __future__ import annotations

from collections.abc import Callable

# (start, length), in bytes → those bytes, or fewer at the end of the file; none beyond it.
ReadRange = Callable[[int, int], bytes]


def of_bytes(data: bytes) -> ReadRange:
    """A reader of ranges of what is in memory."""
    return lambda start, length: data[start : start + length]
