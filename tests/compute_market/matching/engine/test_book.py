"""Orders, and the sides of a book, by themselves."""

from __future__ import annotations

import pytest

from compute_market.matching.engine.book import Book, BookSide, Order

from .books import HOUR, SIDES

DAY = 24 * HOUR
NOON = 12 * HOUR


def order(
    number: int = 7, side: str = "sell", *, gpus: int = 8, start: int = 0, end: int = DAY, entry: int = 0
) -> Order:
    return Order(
        number=number,
        account=number,
        product=1,
        side=SIDES[side],
        price=800,
        gpus=gpus,
        start=start,
        end=end,
        node=3,
        post_only=0,
        self_trade=0,
        entry=entry or number,
    )


class TestOrder:
    @pytest.mark.parametrize("side", ["buy", "sell"])
    def test_is_described_for_messages(self, side: str) -> None:
        assert repr(order(side=side)) == f"<Order 7 {side} 8 @800 [0,{DAY})>"

    def test_has_all_its_gpus_inside_its_window_and_none_outside(self) -> None:
        made = order(start=HOUR, end=DAY)
        assert made.available(HOUR, DAY) == made.available(NOON, NOON + 1) == 8
        assert made.available(HOUR - 1, NOON) == 0
        assert made.available(NOON, DAY + 1) == 0

    def test_has_over_a_window_what_no_part_of_it_was_sold_of(self) -> None:
        made = order()
        made.take(0, NOON, 3)
        assert made.available(0, NOON) == made.available(0, DAY) == 5
        assert made.available(NOON, DAY) == 8
        made.gpus = 2
        assert made.available(0, NOON) == 0

    @pytest.mark.parametrize("side", ["buy", "sell"])
    def test_is_whole_as_long_as_it_trades_its_whole_window(self, side: str) -> None:
        made = order(side=side)
        made.take(0, DAY, 3)
        assert (made.steps, made.open, made.version) == (None, 5, 2)
        assert made.sold_steps() == ((0, 3),)
        assert made.layers() == [(0, DAY, 5)]
        assert made.open_minutes() == 5 * DAY
        assert made.window() == (0, DAY)
        made.take(0, DAY, 5)
        assert made.window() is None

    @pytest.mark.parametrize(("start", "end"), [(0, NOON), (NOON, DAY), (HOUR, NOON)])
    def test_counts_its_parts_from_the_first_that_it_sells(self, start: int, end: int) -> None:
        made = order()
        made.take(0, DAY, 2)
        made.take(start, end, 3)
        assert made.available(start, end) == 3
        assert made.open_minutes() == 6 * DAY - 3 * (end - start)
        assert made.steps == made.sold_steps()
        assert made.version == 3


class TestBookSide:
    def side(self, *orders: Order) -> BookSide:
        made = BookSide()
        for each in orders:
            made.join(each, -each.price, (each.start, each.end))
        return made

    def test_is_not_changed_when_an_order_leaves_that_is_not_there(self) -> None:
        made = self.side(order(1))
        made.leave(order(2))
        assert [each.number for each in made] == [1]

    @pytest.mark.parametrize("entries", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
    def test_keeps_a_queue_in_the_order_of_entry(self, entries: tuple[int, ...]) -> None:
        made = self.side(*(order(entry, entry=entry) for entry in entries))
        assert [each.entry for each in made] == [1, 2, 3]

    @pytest.mark.parametrize("gone", [1, 2, 3])
    def test_closes_the_gap_that_an_order_leaves(self, gone: int) -> None:
        orders = {number: order(number) for number in (1, 2, 3)}
        made = self.side(*orders.values())
        made.leave(orders.pop(gone))
        assert [each.number for each in made] == list(orders)
        made.join(order(4), -800, (0, DAY))
        assert [each.number for each in made] == [*orders, 4]
        for each in list(made):
            made.leave(each)
        assert (made.keys, made.levels, made.lengths) == ([], {}, {})

    def test_of_a_book_is_that_of_its_sign(self) -> None:
        book = Book(1)
        assert (book.side(1), book.side(-1)) == (book.bids, book.asks)
