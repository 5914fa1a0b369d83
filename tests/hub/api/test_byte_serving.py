from __future__ import annotations

import pytest

from hub.api.byte_serving import ByteRange, RangeNotSatisfiable, parse_range


class TestParseRange:
    @pytest.mark.parametrize(
        ("header", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, 10),
            ("bytes=3-5", 3, 6),
            ("bytes=3-99999", 3, 10),
            ("bytes=-3", 7, 10),
            ("bytes=-99", 0, 10),
            ("Bytes= 2 - 3 ", 2, 4),
        ],
    )
    def test_gives_the_part_that_was_asked_for(self, header: str, start: int, end: int) -> None:
        assert parse_range(header, 10) == ByteRange(start, end)

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-3",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=--1",
            "bytes=" + "9" * 30 + "-",
        ],
    )
    def test_ignores_what_is_no_single_byte_range(self, header: str | None) -> None:
        assert parse_range(header, 10) is None

    @pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
    def test_refuses_what_begins_past_the_end(self, header: str) -> None:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(header, 10)

    def test_refuses_any_range_of_nothing(self) -> None:
        with pytest.raises(RangeNotSatisfiable):
            parse_range("bytes=0-0", 0)
        with pytest.raises(RangeNotSatisfiable):
            parse_range("bytes=-5", 0)
