"""The rules of the market (docs/rules/market.md), on books drawn as text."""

from __future__ import annotations

import pytest

from compute_market.matching.engine import Engine, OutOfSequence
from compute_market.matching.engine import commands as c
from compute_market.matching.engine import events as e
from compute_market.matching.engine.deadlines import SPARE_DEADLINES

from .books import HOUR, TICK, fills, market, reasons


class TestPriceTimePriority:
    def test_a_buy_takes_the_cheapest_first_and_then_the_oldest(self) -> None:
        book = market("""
            order side gpus price
            11    sell 8    900
            12    sell 8    800
            13    sell 8    800
        """)
        assert fills(book.new(1, "buy", 20, 1000)) == [(12, 8, 800), (13, 8, 800), (11, 4, 900)]

    def test_a_sell_meets_the_dearest_first_and_then_the_oldest(self) -> None:
        book = market("""
            order side gpus price
            11    buy  8    700
            12    buy  8    800
            13    buy  8    800
        """)
        assert fills(book.new(1, "sell", 20, 600)) == [(12, 8, 800), (13, 8, 800), (11, 4, 700)]

    def test_no_order_trades_outside_a_limit(self) -> None:
        book = market("""
            order side gpus price
            11    sell 8    801
        """)
        assert fills(book.new(1, "buy", 8, 800)) == []
        assert book.open() == {11: 8 * 24, 1: 8 * 24}

    def test_orders_at_one_price_keep_their_place_whatever_their_windows_are(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 2    800   0-30
            12    sell 2    800   0-24
            13    sell 2    800   0-30
        """)
        assert fills(book.new(1, "buy", 6, 800)) == [(11, 2, 800), (12, 2, 800), (13, 2, 800)]


class TestWindows:
    def test_a_sell_must_cover_the_whole_window_of_the_buy(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    700   0-23
            12    sell 8    700   1-24
            13    sell 8    900   0-24
        """)
        assert fills(book.new(1, "buy", 8, 1000)) == [(13, 8, 900)]

    def test_a_wider_sell_keeps_before_after_and_the_gpus_beside(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
        """)
        book.new(1, "buy", 6, 800, hours=(8, 16))
        assert book.engine.orders[11].layers() == [
            (0, 8 * HOUR, 6),
            (0, 24 * HOUR, 2),
            (16 * HOUR, 24 * HOUR, 6),
        ]

    def test_the_remainder_keeps_its_place_in_the_queue(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
            12    sell 8    800   0-24
        """)
        book.new(1, "buy", 8, 800, hours=(0, 12))
        assert fills(book.new(2, "buy", 8, 800, hours=(12, 24))) == [(11, 8, 800)]

    def test_hours_sold_in_the_middle_cannot_be_bought_across(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
        """)
        book.new(1, "buy", 8, 800, hours=(8, 16))
        assert fills(book.new(2, "buy", 1, 800, hours=(7, 9))) == []
        assert fills(book.new(3, "buy", 8, 800, hours=(16, 24))) == [(11, 8, 800)]

    def test_an_offer_that_is_sold_out_there_leaves_the_window_to_the_next(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
            12    sell 8    900   0-24
        """)
        book.new(1, "buy", 8, 800, hours=(8, 16))
        assert fills(book.new(2, "buy", 8, 900, hours=(6, 18))) == [(12, 8, 900)]

    def test_a_sell_meets_several_bids_side_by_side_and_one_after_the_other(self) -> None:
        book = market("""
            order side gpus price hours
            11    buy  6    900   0-12
            12    buy  4    850   6-18
            13    buy  8    800   12-24
        """)
        events = book.new(1, "sell", 8, 800, hours=(0, 24))
        assert fills(events) == [(11, 6, 900), (12, 2, 850), (13, 6, 800)]
        assert book.open() == {12: 2 * 12, 13: 2 * 12, 1: 8 * 24 - 6 * 12 - 2 * 12 - 6 * 12}

    def test_a_window_that_has_begun_is_not_sold_to_a_late_sell(self) -> None:
        book = market("""
            order side gpus price hours
            11    buy  8    800   0-12
        """)
        assert fills(book.new(1, "sell", 8, 800, hours=(0, 24), minute=1)) == []


class TestTimeInForce:
    def test_ioc_cancels_what_is_left(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        events = book.new(1, "buy", 8, 800, force="ioc")
        assert fills(events) == [(11, 4, 800)]
        assert reasons(events) == [(1, "immediate_or_cancel")]
        assert book.open() == {}

    def test_fok_fills_completely(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
            12    sell 4    810
        """)
        assert fills(book.new(1, "buy", 8, 810, force="fok")) == [(11, 4, 800), (12, 4, 810)]

    def test_fok_does_nothing_at_all_when_one_gpu_is_missing(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
            12    sell 3    810
        """)
        events = book.new(1, "buy", 8, 900, force="fok")
        assert (fills(events), reasons(events)) == ([], [(1, "not_fillable")])
        assert book.open() == {11: 4 * 24, 12: 3 * 24}

    def test_fok_sell_must_sell_every_gpu_hour(self) -> None:
        book = market("""
            order side gpus price hours
            11    buy  8    800   0-12
            12    buy  8    800   12-24
        """)
        assert reasons(book.new(1, "sell", 8, 800, hours=(0, 25), force="fok")) == [(1, "not_fillable")]
        assert fills(book.new(2, "sell", 8, 800, hours=(0, 24), force="fok")) == [(11, 8, 800), (12, 8, 800)]

    def test_an_expired_order_is_gone(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        assert reasons(book.send(c.Expire, 11)) == [(11, "expired")]
        assert fills(book.new(1, "buy", 4, 800)) == []


class TestPostOnly:
    def test_is_refused_if_it_would_trade(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        assert reasons(book.new(1, "buy", 4, 800, post_only=True)) == [(1, "would_trade")]
        assert reasons(book.new(2, "buy", 4, 799, post_only=True)) == []

    def test_counts_own_orders(self) -> None:
        book = market("""
            order side gpus price account
            11    sell 4    800   7
        """)
        assert reasons(book.new(1, "buy", 4, 800, account=7, post_only=True)) == [(1, "would_trade")]


class TestSelfTrade:
    DRAWING = """
        order side gpus price account
        11    sell 2    800   5
        12    sell 2    810   7
        13    sell 2    820   6
    """

    def test_cancel_newest_keeps_trades_before_the_meeting(self) -> None:
        book = market(self.DRAWING)
        events = book.new(1, "buy", 6, 900, account=7)
        assert fills(events) == [(11, 2, 800)]
        assert reasons(events) == [(1, "self_trade")]
        assert set(book.open()) == {12, 13}

    def test_cancel_oldest_sweeps_on(self) -> None:
        book = market(self.DRAWING)
        events = book.new(1, "buy", 6, 900, account=7, mode="oldest")
        assert fills(events) == [(11, 2, 800), (13, 2, 820)]
        assert reasons(events) == [(12, "self_trade")]
        assert book.open() == {1: 2 * 24}

    def test_cancel_both_ends_both(self) -> None:
        book = market(self.DRAWING)
        events = book.new(1, "buy", 6, 900, account=7, mode="both")
        assert fills(events) == [(11, 2, 800)]
        assert reasons(events) == [(12, "self_trade"), (1, "self_trade")]
        assert set(book.open()) == {13}

    @pytest.mark.parametrize("mode", ["newest", "both"])
    def test_fok_counts_only_what_lies_before_the_first_own_order(self, mode: str) -> None:
        book = market(self.DRAWING)
        assert reasons(book.new(1, "buy", 4, 900, account=7, mode=mode, force="fok")) == [(1, "not_fillable")]
        assert set(book.open()) == {11, 12, 13}
        assert fills(book.new(2, "buy", 2, 900, account=7, mode=mode, force="fok")) == [(11, 2, 800)]

    def test_fok_with_cancel_oldest_does_not_count_own_orders(self) -> None:
        book = market(self.DRAWING)
        refused = book.new(1, "buy", 6, 900, account=7, mode="oldest", force="fok")
        assert reasons(refused) == [(1, "not_fillable")]
        events = book.new(2, "buy", 4, 900, account=7, mode="oldest", force="fok")
        assert fills(events) == [(11, 2, 800), (13, 2, 820)]


class TestCancel:
    def test_ends_what_is_left(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        book.new(1, "buy", 1, 800)
        assert book.send(c.Cancel, 11)[0] == e.Cancelled(5, 4, 11, "requested", 3 * 24 * HOUR)

    def test_of_a_finished_order_changes_nothing(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        book.new(1, "buy", 4, 800)
        assert reasons(book.send(c.Cancel, 11)) == [(11, "not_open")]

    def test_all_orders_of_an_account_or_of_its_product(self) -> None:
        book = market("""
            order side gpus price account
            11    sell 4    800   7
            12    sell 4    800   8
            13    buy  4    700   7
        """)
        book.configure(product=2)
        book.new(14, "buy", 1, 700, account=7, product=2)
        assert reasons(book.send(c.CancelAll, 7, 2)) == [(14, "requested")]
        assert reasons(book.send(c.CancelAll, 7, 0)) == [(11, "requested"), (13, "requested")]
        assert set(book.open()) == {12}


class TestAmend:
    DRAWING = """
        order side gpus price
        11    sell 4    800
        12    sell 4    800
    """

    def test_fewer_gpus_keep_the_place(self) -> None:
        book = market(self.DRAWING)
        book.amend(11, 2, 800)
        assert fills(book.new(1, "buy", 3, 800)) == [(11, 2, 800), (12, 1, 800)]

    def test_more_gpus_lose_the_place(self) -> None:
        book = market(self.DRAWING)
        book.amend(11, 6, 800)
        assert fills(book.new(1, "buy", 5, 800)) == [(12, 4, 800), (11, 1, 800)]

    def test_a_new_price_is_matched_afresh_under_the_same_identity(self) -> None:
        book = market(self.DRAWING)
        book.new(1, "buy", 3, 700)
        assert fills(book.amend(11, 4, 700)) == [(1, 3, 700)]
        assert book.open() == {12: 4 * 24, 11: 24}

    def test_gpus_are_the_total_and_at_or_below_the_filled_the_rest_is_cancelled(self) -> None:
        book = market(self.DRAWING)
        book.new(1, "buy", 3, 800)
        assert reasons(book.amend(11, 3, 800)) == [(11, "nothing_left")]
        assert set(book.open()) == {12}

    def test_a_partly_sold_offer_is_cut_at_its_new_height(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
        """)
        book.new(1, "buy", 6, 800, hours=(0, 12))
        book.amend(11, 4, 800)
        assert book.engine.orders[11].layers() == [(12 * HOUR, 24 * HOUR, 4)]
        book.amend(11, 8, 800)
        assert book.engine.orders[11].layers() == [(0, 24 * HOUR, 2), (12 * HOUR, 24 * HOUR, 6)]

    def test_an_offer_cut_to_what_is_left_beside_its_sales_joins_the_queue_of_its_new_window(self) -> None:
        book = market("""
            order side gpus price hours
            11    sell 8    800   0-24
        """)
        book.new(1, "buy", 6, 800, hours=(0, 12))
        book.amend(11, 6, 800)
        queue = book.engine.orders[11].queue
        assert queue is not None
        assert queue.window == (12 * HOUR, 24 * HOUR)
        assert fills(book.new(2, "buy", 6, 800, hours=(12, 24))) == [(11, 6, 800)]

    def test_a_post_only_order_is_not_amended_into_a_trade(self) -> None:
        book = market(self.DRAWING)
        book.new(1, "buy", 4, 700, post_only=True)
        assert reasons(book.amend(1, 4, 800)) == [(1, "would_trade")]
        assert book.engine.orders[1].price == 700 * TICK
        assert fills(book.new(2, "sell", 4, 700)) == [(1, 4, 700)]

    def test_the_version_it_expects_is_checked(self) -> None:
        book = market(self.DRAWING)
        book.new(1, "buy", 1, 800)
        assert reasons(book.amend(11, 2, 800, version=1)) == [(11, "version_changed")]
        assert reasons(book.amend(11, 2, 800, version=2)) == []


class TestNodes:
    def test_a_suspended_node_does_not_sell_and_comes_back_at_its_place(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    800   3
            12    sell 4    800   4
        """)
        book.send(c.Suspend, 3)
        assert fills(book.new(1, "buy", 1, 800)) == [(12, 1, 800)]
        assert reasons(book.new(2, "sell", 1, 800, node=3)) == [(2, "node_suspended")]
        book.send(c.Resume, 3, 0)
        assert fills(book.new(3, "buy", 1, 800)) == [(11, 1, 800)]

    def test_a_returning_offer_meets_the_bids_that_came_meanwhile(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    800   3
        """)
        book.send(c.Suspend, 3)
        book.new(1, "buy", 3, 850)
        assert fills(book.send(c.Resume, 3, 0)) == [(1, 3, 850)]
        assert book.open() == {11: 24}

    def test_a_node_that_returns_sells_the_products_that_are_not_halted(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    800   3
        """)
        book.configure(product=2)
        book.new(12, "sell", 4, 800, product=2, node=3)
        book.send(c.Suspend, 3)
        book.configure(trading=1)
        assert fills(book.send(c.Resume, 3, 0)) == []
        assert fills(book.new(1, "buy", 4, 800, product=2)) == [(12, 4, 800)]

    def test_of_two_nodes_at_one_cost_the_one_with_the_older_offer_sells(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 2    800   4
            12    sell 1    700   3
            13    sell 1    900   3
        """)
        assert fills(book.new(1, "buy", 4, 900, one_node=-1)) == [(11, 2, 800)]

    def test_a_node_that_fills_all_for_more_or_later_does_not_displace_one_that_does(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 2    700   4
            12    sell 2    700   5
            13    sell 2    600   3
            14    sell 2    800   4
            15    sell 2    800   5
            16    sell 2    800   3
        """)
        assert fills(book.new(1, "buy", 4, 900, one_node=-1)) == [(13, 2, 600), (16, 2, 800)]

    def test_a_node_that_has_sold_the_window_is_passed_over(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    700   3
            12    sell 2    800   4
            13    sell 2    800   4
        """)
        book.new(1, "buy", 4, 700, hours=(6, 18))
        assert fills(book.new(2, "buy", 4, 900, hours=(6, 18), one_node=-1)) == [(12, 2, 800), (13, 2, 800)]

    def test_a_node_that_returns_during_a_halt_waits_for_its_end(self) -> None:
        book = market("""
            order side gpus price node
            11    sell 4    800   3
        """)
        book.send(c.Suspend, 3)
        book.new(1, "buy", 3, 850)
        book.configure(trading=1)
        assert fills(book.send(c.Resume, 3, 0)) == []
        assert fills(book.configure(trading=0)) == [(1, 3, 850)]


class TestProducts:
    def test_a_halted_product_takes_cancels_but_no_orders(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        book.configure(trading=1)
        assert reasons(book.new(1, "buy", 4, 800)) == [(1, "product_halted")]
        assert reasons(book.amend(11, 4, 810)) == [(11, "product_halted")]
        assert reasons(book.amend(11, 3, 800)) == []
        assert reasons(book.send(c.Cancel, 11)) == [(11, "requested")]

    def test_a_closed_product_has_an_empty_book(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
        """)
        assert reasons(book.configure(trading=2)) == [(11, "product_closed")]
        assert reasons(book.new(1, "buy", 4, 800)) == [(1, "product_closed")]

    def test_prices_and_quantities_that_do_not_fit_are_refused(self) -> None:
        book = market("order side gpus price", lot=8, lowest=500, highest=1000)
        assert reasons(book.new(1, "buy", 8, 499)) == [(1, "outside_price_band")]
        assert reasons(book.new(2, "buy", 8, 1001)) == [(2, "outside_price_band")]
        assert reasons(book.new(3, "buy", 4, 800)) == [(3, "off_lot")]
        # Both bounds belong to the band.
        assert reasons(book.new(3, "buy", 4, 500)) == [(3, "off_lot")]
        assert reasons(book.new(3, "buy", 4, 1000)) == [(3, "off_lot")]
        assert reasons(book.new(6, "buy", 8, 500)) == []
        assert reasons(book.new(7, "sell", 8, 1000)) == []
        assert reasons(book.amend(6, 4, 500)) == [(6, "off_lot")]
        assert reasons(book.amend(6, 8, 499)) == [(6, "outside_price_band")]
        assert reasons(book.amend(7, 8, 999)) == []
        assert reasons(book.amend(7, 8, 1000)) == []
        assert reasons(book.amend(6, 8, 501)) == []
        assert reasons(book.amend(6, 8, 500)) == []
        assert reasons(book.new(4, "buy", 8, 800, product=9)) == [(4, "unknown_product")]
        assert reasons(book.send(c.New, 5, 5, 1, 1, 800 * TICK + 1, 8, 0, 60, 0, 0, 0, 0, 0)) == [
            (5, "off_tick")
        ]


class TestDeadlines:
    def test_of_orders_that_are_gone_are_forgotten(self) -> None:
        book = market("order side gpus price expires\n11 sell 1 900 5000")
        kept = []
        for number in range(100, 100 + 3 * SPARE_DEADLINES):
            book.new(number, "buy", 1, 800, expires=6000)
            book.send(c.Cancel, number)
            kept.append(len(book.engine.deadlines))
        assert max(kept) == 2 * 2 + SPARE_DEADLINES + 1  # two orders are open
        assert fills(book.new(1, "buy", 1, 900, clock=4999)) == [(11, 1, 900)]

    def test_that_are_kept_still_end_their_orders(self) -> None:
        book = market("order side gpus price expires\n11 sell 1 900 5000")
        for number in range(100, 101 + SPARE_DEADLINES):
            book.new(number, "buy", 1, 800, expires=6000)
            book.send(c.Cancel, number)
        assert reasons(book.new(1, "buy", 1, 900, clock=5000)) == [(11, "expired")]
        assert book.open() == {1: 24}


class TestTheLog:
    def test_must_be_gapless(self) -> None:
        engine = Engine()
        with pytest.raises(OutOfSequence):
            engine.apply([c.Cancel(1, 1), c.Cancel(3, 1)])
        assert [event.sequence for event in engine.apply([c.Cancel(2, 1)])] == [2]

    def test_events_are_numbered_without_gap(self) -> None:
        book = market("""
            order side gpus price
            11    sell 4    800
            12    buy  9    900
        """)
        events = Engine().apply(book.log)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
