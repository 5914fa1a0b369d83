"""Nonces: each number of an agent is good once, in whatever order the numbers arrive."""

from __future__ import annotations

import random

from compute_market.offers.agents import spend
from compute_market.offers.models import NONCE_WINDOW

ALL_SEEN = (1 << NONCE_WINDOW) - 1


class TestSpend:
    def test_is_equal_to_a_set_of_all_numbers_within_the_window(self) -> None:
        chance = random.Random(7)
        last, seen = 0, ALL_SEEN
        used: set[int] = set()
        for _ in range(20_000):
            nonce = max(
                1, last + chance.choice([1, 1, 2, 5, 61, 62, 63, 64, 1000, 0, -1, -3, -61, -62, -63, -64])
            )
            expected = nonce not in used and (nonce > last or last - 1 - nonce < NONCE_WINDOW)
            spent = spend(nonce, last=last, seen=seen)
            assert (spent is not None) == expected, (nonce, last)
            if spent is not None:
                last, seen = spent
                used.add(nonce)
            assert 0 <= seen <= ALL_SEEN

    def test_takes_no_number_below_where_a_node_begins(self) -> None:
        assert spend(0, last=0, seen=ALL_SEEN) is None
        assert spend(99, last=100, seen=ALL_SEEN) is None
