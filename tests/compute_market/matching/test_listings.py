from __future__ import annotations

import pytest

from compute_market.matching import listings
from compute_market.matching.terms import PRICE_MAX_MICROS


class TestBand:
    @pytest.mark.parametrize(
        ("index", "bps", "tick", "expected"),
        [
            (12_000_000, 1000, 60_000, (10_800_000, 13_200_000)),
            (10_000_000, 1000, 60_000, (9_000_000, 10_980_000)),
            (12_000_000, 10_000, 60_000, (60_000, 24_000_000)),
            (12_000_000, 20_000, 60_000, (60_000, 36_000_000)),
            (60, 1, 60, (60, 60)),
            (12_000_000, 0, 60_000, (60_000, PRICE_MAX_MICROS // 60_000 * 60_000)),
        ],
    )
    def test_lies_around_the_index_on_the_tick(
        self, index: int, bps: int, tick: int, expected: tuple[int, int]
    ) -> None:
        assert listings.band(index_micros=index, band_bps=bps, tick_micros=tick) == expected
