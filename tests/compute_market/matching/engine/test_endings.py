"""Orders end at their time, at a meeting that their terms forbid, or with nothing left."""

from __future__ import annotations

import pytest

from compute_market.matching.engine import commands as c
from compute_market.matching.engine import events as e

from .books import HOUR, MINUTE_MS, TICK, Market, fills, market, reasons

AT = 90  # minutes


class TestDeadlines:
    @pytest.mark.parametrize(
        "fields",
        [
            (c.Resume, 9, AT, AT * MINUTE_MS),
            (c.Configure, 1, 1, TICK, TICK, 10**6 * TICK, 0, AT, AT * MINUTE_MS),
            (c.Amend, 12, 900 * TICK, 1, 0, AT, AT * MINUTE_MS),
        ],
    )
    @pytest.mark.parametrize("expires", [AT, AT + 1])
    def test_are_met_before_any_command_that_has_a_clock(
        self, fields: tuple[type[c.Command], int], expires: int
    ) -> None:
        book = market(f"""
            order side gpus price expires hours
            11    sell 4    800   {expires} 2-24
            12    sell 1    900   0         2-24
        """)
        first, *_ = book.send(*fields)
        ended = isinstance(first, e.Cancelled) and (first.order, first.reason) == (11, "expired")
        assert ended is (expires == AT)
        assert (11 in book.engine.orders) is not ended

    def test_are_met_before_an_order_trades(self) -> None:
        book = market("order side gpus price expires hours\n11 sell 4 800 90 2-24")
        accepted = book.new(1, "buy", 4, 800, hours=(2, 24), clock=AT)
        assert (fills(accepted), reasons(accepted)) == ([], [(11, "expired")])

    def test_end_what_a_new_order_left_on_the_book(self) -> None:
        book = market("order side gpus price hours\n11 sell 4 800 2-24")
        traded = book.new(1, "buy", 6, 800, hours=(2, 24), expires=AT)
        assert (fills(traded), book.open()) == ([(11, 4, 800)], {1: 2 * 22})
        assert {event.sequence for event in traded} == {3}
        late = book.new(12, "sell", 4, 800, hours=(2, 24), clock=AT)
        assert (fills(late), reasons(late)) == ([], [(1, "expired")])


class TestReturn:
    def off_the_book(self, **terms: int | bool) -> Market:
        """An offer of node 3, which is silent, and a bid that came meanwhile."""
        book = Market()
        book.new(11, "sell", 4, 800, node=3, **terms)
        book.send(c.Suspend, 3)
        book.new(1, "buy", 3, 850, account=5)
        return book

    def test_ends_a_post_only_offer_that_would_trade(self) -> None:
        book = self.off_the_book(post_only=True)
        returned = book.send(c.Resume, 3, 0)
        assert (fills(returned), reasons(returned)) == ([], [(11, "would_trade")])
        assert book.open() == {1: 3 * 24}

    def test_ends_an_offer_that_meets_its_own_account(self) -> None:
        book = self.off_the_book(account=5)
        returned = book.send(c.Resume, 3, 0)
        assert (fills(returned), reasons(returned)) == ([], [(11, "self_trade")])
        assert book.open() == {1: 3 * 24}

    def test_counts_the_offers(self) -> None:
        book = self.off_the_book()
        *trades, done = book.send(c.Resume, 3, 0)
        assert fills(trades) == [(1, 3, 850)]
        assert done == e.Done(trades[-1].number + 1, 5, 1)
        assert book.send(c.Suspend, 3) == [e.Done(done.number + 1, 6, 1)]

    def test_is_of_one_node_alone(self) -> None:
        book = self.off_the_book()
        book.new(12, "sell", 4, 800, node=4, account=5)
        book.send(c.Suspend, 4)
        assert fills(book.send(c.Resume, 3, 0)) == [(1, 3, 850)]
        assert fills(book.new(2, "buy", 8, 900)) == [(11, 1, 800)]

    def test_is_behind_others_if_the_offer_was_raised_meanwhile(self) -> None:
        book = market("order side gpus price node\n11 sell 4 800 3\n12 sell 4 800 4")
        book.send(c.Suspend, 3)
        book.amend(11, 6, 800)
        book.send(c.Resume, 3, 0)
        assert fills(book.new(1, "buy", 8, 800)) == [(12, 4, 800), (11, 4, 800)]


class TestClosing:
    def test_ends_all_orders_and_says_so_once(self) -> None:
        book = market("order side gpus price\n11 sell 4 900\n1 buy 4 800")
        *ended, configured = book.configure(trading=2)
        assert reasons(ended) == [(11, "product_closed"), (1, "product_closed")]
        assert (len(ended), configured) == (2, e.Configured(ended[-1].number + 1, 4, 1, 2))


class TestOneNode:
    def test_ends_what_is_left_of_a_buy_whose_window_begins_with_its_fill(self) -> None:
        book = Market()
        book.new(1, "buy", 8, 800, one_node=-1)
        traded = book.new(11, "sell", 4, 800)
        assert (fills(traded), reasons(traded)) == ([(1, 4, 800)], [(1, "window_begun")])
        assert book.open() == {}

    def test_ends_what_is_left_of_a_new_buy_likewise(self) -> None:
        book = market("order side gpus price\n11 sell 4 800")
        assert reasons(book.new(1, "buy", 8, 800, one_node=-1)) == [(1, "window_begun")]

    def test_may_have_any_number(self) -> None:
        book = Market()
        book.new(11, "sell", 4, 800, node=1)
        assert reasons(book.new(1, "buy", 8, 800, one_node=-1)) == [(1, "window_begun")]

    def test_keeps_a_buy_that_has_met_nothing(self) -> None:
        book = market("order side gpus price node\n11 sell 4 800 3")
        assert reasons(book.new(1, "buy", 8, 800, one_node=7)) == []
        assert book.open() == {11: 4 * 24, 1: 8 * 24}


class TestAmend:
    def test_to_the_same_terms_keeps_the_place(self) -> None:
        book = market("order side gpus price\n11 sell 4 800\n12 sell 4 800")
        [amended] = book.amend(11, 4, 800)
        assert amended == e.Amended(3 + 1, 4, 11, 800 * TICK, 4, 4 * 24 * HOUR)
        assert fills(book.new(1, "buy", 4, 800)) == [(11, 4, 800)]

    def test_of_an_order_that_is_gone_is_refused(self) -> None:
        assert reasons(Market().amend(11, 4, 800)) == [(11, "not_open")]

    def test_counts_the_versions_of_an_order(self) -> None:
        book = market("order side gpus price\n11 sell 8 800")
        for gpus, price, version in ((7, 800, 1), (9, 800, 2), (9, 700, 3)):
            assert reasons(book.amend(11, gpus, price, version=version)) == []
        assert reasons(book.amend(11, 9, 700, version=3)) == [(11, "version_changed")]

    def test_is_refused_once_the_window_of_a_buy_has_begun(self) -> None:
        book = market("order side gpus price hours\n1 buy 4 800 1-24")
        assert reasons(book.amend(1, 5, 800, clock=61)) == [(1, "window_passed")]
        assert reasons(book.amend(1, 3, 800, clock=61)) == []
        assert book.open() == {1: 3 * 23}

    def test_at_its_beginning_is_not_too_late(self) -> None:
        book = market("order side gpus price hours\n1 buy 4 800 1-24")
        assert reasons(book.amend(1, 5, 800, clock=60)) == []

    @pytest.mark.parametrize(("gpus", "price"), [(4, 800), (4, 700), (3, 900)])
    def test_to_what_has_traded_ends_the_order(self, gpus: int, price: int) -> None:
        book = market("order side gpus price\n1 buy 8 800")
        book.new(11, "sell", 4, 800)
        assert reasons(book.amend(1, gpus, price)) == [(1, "nothing_left")]
        assert book.open() == {}

    def test_of_an_offer_off_the_book_is_in_force_when_it_returns(self) -> None:
        book = market("order side gpus price node\n11 sell 4 800 3\n12 sell 4 800 4")
        book.send(c.Suspend, 3)
        book.new(1, "buy", 2, 700)
        [amended] = book.amend(11, 6, 700)
        assert amended[2:] == (11, 700 * TICK, 6, 6 * 24 * HOUR)
        assert fills(book.send(c.Resume, 3, 0)) == [(1, 2, 700)]


class TestCancel:
    def test_says_what_is_left_of_an_offer_that_has_sold_a_part(self) -> None:
        book = market("order side gpus price hours\n11 sell 4 800 6-24")
        book.new(1, "buy", 3, 800, hours=(12, 24))
        [ended] = book.send(c.Cancel, 11)
        assert isinstance(ended, e.Cancelled)
        assert ended.gpu_minutes == (4 * 6 + 1 * 12) * HOUR

    def test_says_what_is_left_of_an_order_that_is_whole(self) -> None:
        book = market("order side gpus price hours\n11 sell 4 800 6-24")
        [ended] = book.send(c.Cancel, 11)
        assert isinstance(ended, e.Cancelled)
        assert ended.gpu_minutes == 4 * 18 * HOUR


class TestImmediateOrCancel:
    def test_ends_where_there_is_nothing_to_meet(self) -> None:
        book = Market()
        accepted, ended = book.new(1, "buy", 4, 800, force="ioc")
        assert accepted == e.Accepted(2, 2, 1)
        assert ended == e.Cancelled(3, 2, 1, "immediate_or_cancel", 4 * 24 * HOUR)

    @pytest.mark.parametrize("side", ["buy", "sell"])
    def test_ends_with_what_it_did_not_meet(self, side: str) -> None:
        book = Market()
        book.new(11, "sell" if side == "buy" else "buy", 3, 800)
        events = book.new(1, side, 4, 800, force="ioc")
        assert fills(events) == [(11, 3, 800)]
        assert events[-1] == e.Cancelled(events[-2].number + 1, 3, 1, "immediate_or_cancel", 24 * HOUR)


class TestFillOrKill:
    def test_is_refused_where_there_is_nothing_to_meet(self) -> None:
        book = Market()
        assert reasons(book.new(1, "buy", 4, 800, force="fok")) == [(1, "not_fillable")]
        assert book.open() == {}
