"""The search for the one node that a buy trades with: which node it is, and how many offers are looked at."""

from __future__ import annotations

from collections.abc import Iterator

from compute_market.matching.engine.book import Order
from compute_market.matching.engine.commands import ANY_ONE, SelfTrade
from compute_market.matching.engine.sweep import best_node

from .books import HOUR, fills, market

ME = 1
Drawn = tuple[int, int, int, int]


def order(number: int, *, side: int, price: int, gpus: int, node: int = 0, account: int = 0) -> Order:
    return Order(
        number=number,
        account=account or number,
        product=1,
        side=side,
        price=price,
        gpus=gpus,
        start=0,
        end=24 * HOUR,
        node=node,
        post_only=0,
        self_trade=int(SelfTrade.CANCEL_OLDEST),
        entry=number,
    )


def found(wanted: int, *asks: Drawn, own: int = 0) -> tuple[list[int], int]:
    """The asks of the node that is chosen, and how many were looked at. An ask: number, GPUs, price, node.

    `own` is the number of an ask of the buyer's account.
    """
    looked = 0

    def walk() -> Iterator[Order]:
        nonlocal looked
        for number, gpus, price, node in asks:
            looked += 1
            account = ME if number == own else 0
            yield order(number, side=-1, price=price, gpus=gpus, node=node, account=account)

    buy = order(ME, side=1, price=1000, gpus=wanted)
    buy.one_node = ANY_ONE
    return [ask.number for ask in best_node(walk(), buy)], looked


class TestBestNode:
    def test_is_that_of_the_first_ask_if_it_has_all(self) -> None:
        assert found(4, (11, 4, 700, 3), (12, 4, 700, 4)) == ([11], 1)

    def test_is_looked_for_as_long_as_another_may_be_cheaper(self) -> None:
        asks = (
            (13, 2, 600, 3),
            (11, 2, 700, 4),
            (14, 2, 800, 4),  # node 4 has all, for 3,000; node 3 would be cheaper below 900
            (15, 1, 850, 4),
            (16, 1, 900, 5),  # node 3 would cost as much here, and is younger
            (17, 2, 900, 3),
        )
        assert found(4, *asks) == ([11, 14], 5)
        assert found(4, *asks[:4], (17, 2, 890, 3), (18, 2, 950, 3)) == ([13, 17], 6)

    def test_is_the_older_of_two_at_one_cost(self) -> None:
        asks = ((11, 2, 700, 3), (12, 2, 700, 4), (13, 2, 800, 4), (14, 2, 800, 3), (15, 1, 800, 5))
        assert found(4, *asks) == ([11, 14], 5)

    def test_is_not_looked_for_on_where_there_are_own_asks_alone(self) -> None:
        asks = ((9, 2, 700, 3), (11, 2, 700, 4), (12, 2, 700, 4), (13, 4, 700, 5), (14, 4, 700, 6))
        assert found(4, *asks, own=9) == ([11, 12], 4)

    def test_is_the_one_that_gives_most_if_none_gives_all(self) -> None:
        assert found(8, (11, 2, 700, 3), (12, 3, 800, 4), (13, 2, 900, 3)) == ([11, 13], 3)
        assert found(8, (11, 2, 700, 3), (12, 2, 600, 4)) == ([12], 2)

    def test_is_that_of_own_asks_if_nobody_else_gives_any(self) -> None:
        assert found(8, (11, 2, 700, 3), own=11) == ([11], 1)
        assert found(8) == ([], 0)

    def test_is_not_older_for_an_ask_that_has_sold_the_window(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    700   3
            12    sell 2    750   4
            13    sell 2    750   3
            14    sell 2    800   4
            15    sell 2    800   3
        """)
        book.new(1, "buy", 4, 700, hours=(6, 18))
        assert fills(book.new(2, "buy", 4, 900, hours=(6, 18), one_node=-1)) == [(12, 2, 750), (14, 2, 800)]
