"""Ranges of what is in memory."""

from __future__ import annotations

import pytest

from foundation import byte_ranges


@pytest.mark.parametrize(
    ("start", "length", "piece"), [(0, 3, b"abc"), (2, 9, b"cdef"), (6, 1, b""), (9, 1, b""), (1, 0, b"")]
)
def test_end_with_the_file(start: int, length: int, piece: bytes) -> None:
    assert byte_ranges.of_bytes(b"abcdef")(start, length) == piece
