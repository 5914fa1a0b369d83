"""Steps of an offer against a plain table of minutes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compute_market.matching.engine import profile

END = 12
sales = st.lists(
    st.tuples(st.integers(0, END - 1), st.integers(1, END), st.integers(1, 4)).map(
        lambda sale: (min(sale[0], END - 1), max(sale[0] + 1, min(sale[1], END)), sale[2])
    ),
    max_size=6,
)


def drawn(sold: list[tuple[int, int, int]]) -> tuple[profile.Steps, list[int]]:
    steps: profile.Steps = ((0, 0),)
    table = [0] * END
    for start, end, gpus in sold:
        steps = profile.sell(steps, start, end, gpus, END)
        for minute in range(start, end):
            table[minute] += gpus
    return steps, table


class TestProfile:
    @given(sales, st.integers(0, END - 1), st.integers(1, END))
    def test_says_what_a_table_of_minutes_says(
        self, sold: list[tuple[int, int, int]], start: int, length: int
    ) -> None:
        steps, table = drawn(sold)
        gpus = 8
        end = min(END, start + length)
        assert profile.peak(steps, start, end) == max(table[start:end])
        assert profile.free_minutes(steps, gpus, END) == sum(max(0, gpus - level) for level in table)
        free = [minute for minute in range(END) if table[minute] < gpus]
        assert profile.hull(steps, gpus, END) == ((free[0], free[-1] + 1) if free else None)

    @given(sales, st.integers(0, END - 1), st.integers(1, END))
    def test_layers_that_cover_a_window_sum_to_what_it_can_sell(
        self, sold: list[tuple[int, int, int]], start: int, length: int
    ) -> None:
        steps, table = drawn(sold)
        gpus, end = 8, min(END, start + length)
        covering = [
            g for since, until, g in profile.layers(steps, gpus, END) if since <= start and end <= until
        ]
        assert sum(covering) == max(0, gpus - max(table[start:end]))

    @given(sales)
    def test_is_written_in_one_way_only(self, sold: list[tuple[int, int, int]]) -> None:
        steps, _ = drawn(sold)
        assert steps == drawn(sold[::-1])[0]
        assert all(a[1] != b[1] and a[0] < b[0] for a, b in pairwise(steps))


class TestHull:
    def test_ends_where_what_follows_is_sold(self) -> None:
        assert profile.hull(((0, 0), (6, 8)), 8, END) == (0, 6)
        assert profile.hull(((0, 8), (3, 2), (6, 8)), 8, END) == (3, 6)
        assert profile.hull(((0, 8), (3, 2)), 8, END) == (3, END)

    def test_is_none_of_what_is_sold_whole(self) -> None:
        assert profile.hull(((0, 8),), 8, END) is None


class TestLayers:
    def test_are_as_long_as_they_can_be_and_none_is_empty(self) -> None:
        assert profile.layers(((0, 5), (3, 3), (6, 5)), 8, END) == [(0, END, 3), (3, 6, 2)]
        assert profile.layers(((0, 8), (3, 6), (6, 8), (9, 0)), 8, END) == [(3, 6, 2), (9, END, 8)]

    def test_leave_out_what_was_sold_beyond_the_present_height(self) -> None:
        assert profile.layers(((0, 8), (3, 6), (6, 2)), 4, END) == [(6, END, 2)]
