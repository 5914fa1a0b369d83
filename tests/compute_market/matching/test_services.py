"""Orders from acceptance to their end, on a real database."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from compute_market.clock import database_now
from compute_market.errors import Refusal
from compute_market.leases.errors import CapacityTaken
from compute_market.leases.models import Lease
from compute_market.ledger.errors import InsufficientFunds, NotAMember
from compute_market.ledger.models import Account, Reservation
from compute_market.matching import jobs, listings, selectors, services, tasks
from compute_market.matching.errors import (
    AmendmentPending,
    BulkTooLarge,
    ClientOrderIdReused,
    OrderInvalid,
    OrderNotFound,
    OrderNotOpen,
    ProductHalted,
    TooManyOrders,
    VersionChanged,
)
from compute_market.matching.models import Command, Intake, Level, Listing, Order, Outbox, Outcome, Trade
from compute_market.offers import signals
from compute_market.offers.errors import NodeNotFound, NodeNotTradable
from compute_market.offers.models import GpuHold, Node
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import BUY, FOK, GTD, IOC, MIDNIGHT, buy, drain, rich, sell
from tests.factories.market import CREDIT, NOON, namespace_of, operator, trader

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Principal:
    return rich()


@pytest.fixture
def user() -> Principal:
    return rich()


@pytest.fixture
def machine(provider: Principal) -> Node:
    return exchange.node(provider, exchange.product())


def purse(who: Principal) -> Account:
    return Account.objects.get(namespace=namespace_of(who), kind="main")


def tomorrow() -> dict[str, Any]:
    """A window by the real clock."""
    start = (database_now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    return {"start": start, "end": start + timedelta(hours=1)}


def again(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


class TestPlaceOrder:
    def test_a_bid_meets_an_offer(self, provider: Principal, user: Principal, machine: Node) -> None:
        offer = sell(provider, machine, 8, 9)
        bid = buy(user, machine.product, 4, 12, hours=(0, 12))
        assert (offer.state, bid.state) == ("pending", "pending")
        drain()
        offer, bid = again(offer), again(bid)
        assert (offer.state, bid.state) == ("partially_filled", "filled")
        assert offer.filled_gpu_minutes == 4 * 12 * 60
        trade = Trade.objects.get()
        assert trade.notional_micros == 4 * 12 * 9 * CREDIT
        assert trade.buy_fee_micros == trade.notional_micros * bid.taker_fee_bps // 10_000
        assert purse(user).held_micros == 0
        spent = trade.notional_micros + trade.buy_fee_micros
        assert purse(user).balance_micros == 1_000_000 * CREDIT - spent
        depth = selectors.depth(product_id=machine.product_id)
        assert sorted(depth.values_list("gpus", flat=True)) == [4, 4]
        lease = Lease.objects.get()
        assert (lease.trade_number, lease.node, lease.gpus) == (trade.pk, machine, 4)

    def test_is_on_hold_from_acceptance(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12, hours=(0, 1))
        fee = 12 * CREDIT * max(bid.maker_fee_bps, bid.taker_fee_bps) // 10_000
        assert purse(user).held_micros == 12 * CREDIT + fee

    def test_without_funds_is_refused_and_changes_nothing(self, machine: Node) -> None:
        poor = trader(funds=1)
        with pytest.raises(InsufficientFunds):
            buy(poor, machine.product, 1, 12)
        assert not Order.objects.exists()
        assert purse(poor).held_micros == 0

    def test_a_sell_cannot_exceed_its_node(self, provider: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9, hours=(0, 12))
        with pytest.raises(CapacityTaken):
            sell(provider, machine, 1, 9, hours=(11, 13))
        sell(provider, machine, 8, 9, hours=(12, 13))

    def test_a_foreign_node_is_not_found(self, user: Principal, machine: Node) -> None:
        with pytest.raises(NodeNotFound):
            sell(user, machine, 1, 9)

    def test_a_silent_node_is_not_tradable(self, provider: Principal, machine: Node) -> None:
        with pytest.raises(NodeNotTradable):
            sell(provider, machine, 1, 9, now=NOON + timedelta(hours=1))

    def test_for_a_foreign_namespace_is_denied(self, user: Principal, machine: Node) -> None:
        wanted = exchange.request(machine.product, BUY, 1, 12)
        with pytest.raises(NotAMember):
            services.place_order(actor=rich(), namespace_id=namespace_of(user), request=wanted, now=NOON)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"gpus": 0}, "gpus"),
            ({"gpus": -1}, "gpus"),
            ({"gpus": 1.0}, "gpus"),
            ({"gpus": True}, "gpus"),
            ({"gpus": 10**6}, "gpus"),
            ({"price_micros_per_gpu_hour": 0}, "price_micros_per_gpu_hour"),
            ({"price_micros_per_gpu_hour": 60_001}, "price_micros_per_gpu_hour"),
            ({"price_micros_per_gpu_hour": "60000"}, "price_micros_per_gpu_hour"),
            ({"price_micros_per_gpu_hour": 10**19}, "price_micros_per_gpu_hour"),
            ({"start": MIDNIGHT + timedelta(minutes=1)}, "start"),
            ({"start": NOON - timedelta(hours=1)}, "start"),
            ({"end": MIDNIGHT}, "end"),
            ({"end": MIDNIGHT + timedelta(minutes=90)}, "end"),
            ({"end": NOON + timedelta(days=400)}, "end"),
            ({"end": (MIDNIGHT + timedelta(hours=1)).replace(tzinfo=None)}, "end"),
            ({"time_in_force": 9}, "time_in_force"),
            ({"time_in_force": GTD}, "expires_at"),
            ({"expires_at": MIDNIGHT}, "expires_at"),
            ({"time_in_force": GTD, "expires_at": NOON}, "expires_at"),
            ({"is_market": True}, "time_in_force"),
            ({"post_only": True, "time_in_force": IOC}, "post_only"),
            ({"self_trade": 7}, "self_trade"),
            ({"side": 0}, "side"),
            ({"node_id": 1}, "node"),
            ({"client_order_id": ""}, "client_order_id"),
            ({"client_order_id": "x" * 65}, "client_order_id"),
            ({"client_order_id": "a\nb"}, "client_order_id"),
        ],
    )
    def test_names_the_field_that_does_not_fit(
        self, user: Principal, machine: Node, changes: dict[str, Any], field: str
    ) -> None:
        wanted = replace(exchange.request(machine.product, BUY, 1, 12), **changes)
        with pytest.raises(OrderInvalid) as refusal:
            services.place_order(actor=user, namespace_id=namespace_of(user), request=wanted, now=NOON)
        assert refusal.value.details["field"] == field

    def test_outside_the_price_band_is_refused(self, user: Principal) -> None:
        product = exchange.product(band_bps=1000)
        buy(user, product, 1, 13.2)
        with pytest.raises(OrderInvalid, match="price band"):
            buy(user, product, 1, 13.26)

    def test_now_is_the_next_whole_minute(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12, start=None, now=NOON + timedelta(seconds=1))
        assert bid.start == NOON + timedelta(minutes=1)

    def test_has_a_limit_of_open_orders(self, user: Principal, machine: Node, settings: Any) -> None:
        settings.MARKET_OPEN_ORDERS_MAX = 2
        buy(user, machine.product, 1, 12)
        buy(user, machine.product, 1, 12)
        with pytest.raises(TooManyOrders):
            buy(user, machine.product, 1, 12)


class TestIdempotency:
    def test_the_same_request_gives_the_first_answer(self, user: Principal, machine: Node) -> None:
        first = buy(user, machine.product, 1, 12, client_order_id="a")
        drain()
        second = buy(user, machine.product, 1, 12, client_order_id="a")
        assert (second.pk, second.state) == (first.pk, "open")
        assert Command.objects.filter(kind="new").count() == 1

    def test_another_request_under_the_same_id_is_refused(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12, client_order_id="a")
        held = purse(user).held_micros
        with pytest.raises(ClientOrderIdReused):
            buy(user, machine.product, 2, 12, client_order_id="a")
        assert purse(user).held_micros == held

    def test_another_account_may_use_the_same_id(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12, client_order_id="a")
        buy(rich(), machine.product, 1, 12, client_order_id="a")

    def test_a_window_that_begins_now_is_the_same_request_later(self, user: Principal, machine: Node) -> None:
        first = buy(user, machine.product, 1, 12, start=None, client_order_id="a")
        second = buy(
            user, machine.product, 1, 12, start=None, client_order_id="a", now=NOON + timedelta(minutes=5)
        )
        assert first.pk == second.pk


class TestBulk:
    def test_each_order_has_its_own_answer(self, user: Principal, machine: Node) -> None:
        wanted = [
            exchange.request(machine.product, BUY, 1, 12, client_order_id="a"),
            exchange.request(machine.product, BUY, 0, 12),
            exchange.request(machine.product, BUY, 1, 12, client_order_id="a"),
            exchange.request(machine.product, BUY, 2, 12, client_order_id="a"),
            exchange.request(machine.product, BUY, 1024, 600_000),
        ]
        first, invalid, same, reused, poor = services.place_orders(
            actor=user, namespace_id=namespace_of(user), requests=wanted, now=NOON
        )
        assert isinstance(first, Order)
        assert isinstance(same, Order)
        assert first.pk == same.pk
        assert [getattr(each, "code", "") for each in (invalid, reused, poor)] == [
            "order_invalid",
            "client_order_id_reused",
            "insufficient_funds",
        ]
        drain()
        assert Order.objects.live().count() == 1

    @pytest.mark.parametrize("count", [0, 1001])
    def test_has_its_limits(self, user: Principal, machine: Node, count: int) -> None:
        wanted = [exchange.request(machine.product, BUY, 1, 12)] * count
        with pytest.raises(BulkTooLarge):
            services.place_orders(actor=user, namespace_id=namespace_of(user), requests=wanted, now=NOON)


class TestOutcomes:
    def test_a_fok_that_cannot_fill_is_rejected_and_gives_its_hold_back(
        self, user: Principal, machine: Node
    ) -> None:
        bid = buy(user, machine.product, 1, 12, time_in_force=FOK)
        drain()
        bid = again(bid)
        assert (bid.state, bid.reason, bid.cancelled_gpu_minutes) == (
            "rejected",
            "not_fillable",
            bid.total_gpu_minutes,
        )
        assert purse(user).held_micros == 0

    def test_a_market_order_takes_what_there_is_under_its_cap(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 9)
        bid = buy(user, machine.product, 4, 15, time_in_force=IOC, is_market=True)
        drain()
        bid = again(bid)
        assert (bid.state, bid.reason) == ("cancelled", "immediate_or_cancel")
        assert bid.filled_gpu_minutes == bid.cancelled_gpu_minutes == 2 * 24 * 60
        assert purse(user).held_micros == 0

    def test_a_finished_sell_gives_its_gpus_back(self, provider: Principal, machine: Node) -> None:
        offer = sell(provider, machine, 8, 9)
        services.cancel_order(actor=provider, order_id=offer.pk, now=NOON)
        drain()
        assert not GpuHold.objects.open().exists()
        sell(provider, machine, 8, 9)

    def test_what_is_sold_stays_taken_when_the_rest_is_cancelled(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        buy(user, machine.product, 6, 9)
        drain()
        services.cancel_order(actor=provider, order_id=offer.pk, now=NOON)
        drain()
        with pytest.raises(CapacityTaken):
            sell(provider, machine, 3, 9)
        sell(provider, machine, 2, 9)

    def test_news_goes_to_the_outbox(self, provider: Principal, user: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9)
        buy(user, machine.product, 4, 9)
        drain()
        news = Outbox.objects.get(topic=f"product/{machine.product_id}").payload
        assert [trade[2:4] for trade in news["trades"]] == [[9 * CREDIT, 4]]
        assert Outbox.objects.filter(topic__startswith="account/").count() == 2


class TestCancel:
    def test_gives_the_hold_back(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        services.cancel_order(actor=user, order_id=bid.pk, now=NOON)
        drain()
        assert again(bid).state == "cancelled"
        assert purse(user).held_micros == 0
        assert not Level.objects.exists()

    def test_of_a_finished_order_is_a_conflict(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12, time_in_force=IOC)
        drain()
        with pytest.raises(OrderNotOpen):
            services.cancel_order(actor=user, order_id=bid.pk, now=NOON)

    def test_of_a_foreign_order_is_not_found(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        with pytest.raises(OrderNotFound):
            services.cancel_order(actor=rich(), order_id=bid.pk, now=NOON)

    def test_twice_ends_it_once(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        services.cancel_order(actor=user, order_id=bid.pk, now=NOON)
        services.cancel_order(actor=user, order_id=bid.pk, now=NOON)
        drain()
        assert list(Outcome.objects.order_by("sequence").values_list("accepted", "reason"))[-2:] == [
            (True, ""),
            (False, "not_open"),
        ]

    def test_all_of_a_namespace(self, user: Principal, machine: Node) -> None:
        other = exchange.product()
        kept = buy(rich(), machine.product, 1, 12)
        for product in (machine.product, other):
            buy(user, product, 1, 12)
        assert (
            services.cancel_all(actor=user, namespace_id=namespace_of(user), product=other.slug, now=NOON)
            == 1
        )
        assert services.cancel_all(actor=user, namespace_id=namespace_of(user), now=NOON) == 2
        drain()
        assert list(Order.objects.live()) == [kept]


class TestAmend:
    def amend(self, who: Principal, order: Order, **changes: Any) -> None:
        services.amend_order(actor=who, order_id=order.pk, now=NOON, **changes)
        drain()

    def test_a_higher_price_holds_more_and_may_trade(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 15)
        bid = buy(user, machine.product, 4, 12)
        drain()
        self.amend(user, bid, price_micros_per_gpu_hour=15 * CREDIT)
        bid = again(bid)
        assert (bid.state, bid.filled_gpu_minutes) == ("partially_filled", 2 * 24 * 60)
        assert bid.price_micros_per_gpu_hour == 15 * CREDIT

    def test_fewer_gpus_give_money_back(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 4, 12, hours=(0, 1))
        drain()
        self.amend(user, bid, gpus=1)
        assert 12 * CREDIT <= purse(user).held_micros < 13 * CREDIT

    def test_at_or_below_what_is_filled_cancels_the_rest(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 12)
        bid = buy(user, machine.product, 4, 12)
        drain()
        self.amend(user, bid, gpus=2)
        bid = again(bid)
        assert (bid.state, bid.reason, bid.gpus) == ("cancelled", "nothing_left", 4)

    def test_without_funds_is_refused_and_leaves_the_order(self, machine: Node) -> None:
        poor = trader(funds=20)
        bid = buy(poor, machine.product, 1, 12, hours=(0, 1))
        drain()
        with pytest.raises(InsufficientFunds):
            self.amend(poor, bid, gpus=2)
        assert again(bid).gpus == 1

    def test_that_would_break_post_only_is_refused_by_the_engine(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 15)
        bid = buy(user, machine.product, 4, 12, post_only=True)
        drain()
        held = purse(user).held_micros
        self.amend(user, bid, price_micros_per_gpu_hour=15 * CREDIT)
        assert again(bid).price_micros_per_gpu_hour == 12 * CREDIT
        assert purse(user).held_micros == held

    def test_of_a_sell_needs_free_gpus_and_gives_them_back(self, provider: Principal, machine: Node) -> None:
        offer = sell(provider, machine, 4, 9)
        drain()
        with pytest.raises(CapacityTaken):
            self.amend(provider, offer, gpus=9)
        self.amend(provider, offer, gpus=8)
        with pytest.raises(CapacityTaken):
            sell(provider, machine, 1, 9)
        self.amend(provider, offer, gpus=2)
        sell(provider, machine, 6, 9)

    def test_of_a_partly_sold_offer_keeps_what_is_sold_taken(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        buy(user, machine.product, 6, 9, hours=(0, 12))
        drain()
        self.amend(provider, offer, gpus=4)
        with pytest.raises(CapacityTaken):
            sell(provider, machine, 3, 9)
        sell(provider, machine, 2, 9)

    def test_may_expect_a_version(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 4, 12)
        drain()
        with pytest.raises(VersionChanged):
            self.amend(user, bid, gpus=3, version=7)
        self.amend(user, bid, gpus=3, version=1)
        assert again(bid).version == 2

    def test_waits_for_the_one_before(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 4, 12)
        services.amend_order(actor=user, order_id=bid.pk, gpus=1, now=NOON)
        with pytest.raises(AmendmentPending):
            services.amend_order(actor=user, order_id=bid.pk, gpus=8, now=NOON)
        drain()


class TestExpiry:
    def test_ends_orders_whose_time_is_up(self, user: Principal, machine: Node) -> None:
        early = buy(user, machine.product, 1, 12, time_in_force=GTD, expires_at=NOON + timedelta(minutes=5))
        late = buy(user, machine.product, 1, 12)
        drain()
        assert jobs.expire_orders(now=NOON + timedelta(minutes=5)) == {0}
        assert jobs.expire_orders(now=NOON + timedelta(minutes=5)) == set()
        drain()
        assert (again(early).state, again(late).state) == ("expired", "open")

    def test_a_bid_ends_when_its_window_begins(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        drain()
        jobs.expire_orders(now=MIDNIGHT)
        drain()
        assert again(bid).state == "expired"


class TestClocks:
    def test_a_worker_whose_clock_is_wrong_ends_nothing_early(
        self, user: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bid = buy(user, machine.product, 1, 12, now=database_now(), **tomorrow())
        drain()
        a_year_ahead = database_now() + timedelta(days=365)
        monkeypatch.setattr(timezone, "now", lambda: a_year_ahead)
        monkeypatch.setattr(time, "time", a_year_ahead.timestamp)
        tasks.sweep_shards()
        drain()
        assert again(bid).state == "open"


class TestBands:
    def test_follow_what_is_paid_step_by_step(
        self, provider: Principal, user: Principal, settings: Any
    ) -> None:
        product = exchange.product(band_bps=5000)
        offered = exchange.node(provider, product)
        sell(provider, offered, 8, 18)
        buy(user, product, 8, 18)
        drain()
        before = listings.ensure(product, now=NOON)
        assert (before.index_micros, before.highest_micros) == (12 * CREDIT, 18 * CREDIT)
        assert jobs.update_bands(now=database_now()) == {0}
        after = listings.ensure(product, now=NOON)
        assert (after.index_micros, after.highest_micros) == (12_600_000, 18_900_000)
        drain()
        buy(user, product, 1, 18.9)
        drain()

    def test_stay_where_nothing_trades(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        assert jobs.update_bands(now=database_now()) == set()

    def test_hold_for_orders_accepted_after_them(self, provider: Principal, user: Principal) -> None:
        product = exchange.product(band_bps=1000)
        services.halt(actor=operator(), product=product.slug, now=NOON)
        services.resume(actor=operator(), product=product.slug, now=NOON)
        bid = buy(user, product, 1, 13.2)
        listings.configure(product, now=NOON, index_micros=6 * CREDIT)
        drain()
        assert again(bid).state == "open"
        with pytest.raises(OrderInvalid):
            buy(user, product, 1, 13.2)


class TestHalt:
    def test_stops_orders_but_not_cancels(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        services.halt(actor=operator(), product=machine.product.slug, now=NOON)
        with pytest.raises(ProductHalted):
            buy(user, machine.product, 1, 12)
        services.cancel_order(actor=user, order_id=bid.pk, now=NOON)
        services.resume(actor=operator(), product=machine.product.slug, now=NOON)
        buy(user, machine.product, 1, 12)
        drain()

    def test_an_order_accepted_before_a_halt_trades_before_it(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 1, 12)
        before = buy(user, machine.product, 1, 12)
        call_command("halt_market", verbosity=0)
        drain()
        assert again(before).state == "filled"

    def test_counts_in_the_order_of_the_log(self, user: Principal, machine: Node) -> None:
        """An order that was checked just before a halt, and logged just after it, is rejected."""
        buy(user, machine.product, 1, 12)
        services.halt(actor=operator(), product=machine.product.slug, now=NOON)
        Listing.objects.update(is_stopped=False)
        late = buy(user, machine.product, 1, 12)
        drain()
        assert (again(late).state, again(late).reason) == ("rejected", "product_halted")
        assert again(late).reservation is not None
        assert purse(user).held_micros < 2 * 24 * 12 * CREDIT

    def test_is_for_operators(self, user: Principal) -> None:
        with pytest.raises(Refusal):
            services.halt(actor=user, now=NOON)


class TestNodes:
    def test_offers_of_a_silent_node_leave_the_book_and_return(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 9)
        drain()
        told = {"node_id": machine.pk, "product_id": machine.product_id, "shard": 0, "now": NOON}
        signals.node_went_stale.send(sender=None, **told)
        bid = buy(user, machine.product, 1, 9)
        drain()
        assert again(bid).state == "open"
        assert Level.objects.get().side == BUY
        signals.node_returned.send(sender=None, **told)
        drain()
        assert again(bid).state == "filled"


class TestTheRecord:
    def test_is_the_same_from_the_log_in_any_batches(
        self, provider: Principal, user: Principal, machine: Node, settings: Any
    ) -> None:
        settings.MARKET_BATCH_SIZE = 2
        settings.MARKET_SNAPSHOT_COMMANDS = 5
        offers = [sell(provider, machine, 1, 9 + 3 * n) for n in range(6)]
        for n in range(8):
            buy(user, machine.product, 1, 9 + 3 * (n % 4))
            if n % 3 == 0:
                drain()
        services.cancel_order(actor=provider, order_id=offers[-1].pk, now=NOON)
        drain()
        call_command("replay_market", "--batch", "3", verbosity=0)
        call_command("audit_market", verbosity=0)

    def test_the_log_has_no_gap(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        command = Command.objects.order_by("-sequence").first()
        assert command is not None
        command.pk = None
        command.client_order_id = "other"
        command.sequence += 2
        with pytest.raises(IntegrityError), transaction.atomic():
            command.save(force_insert=True)

    def test_the_log_is_not_changed(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        with pytest.raises(IntegrityError), transaction.atomic():
            Command.objects.update(kind="cancel")

    @pytest.mark.postgres
    def test_the_log_is_not_deleted_from(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM matching_command")

    def test_numbers_are_given_out_once(self, user: Principal, machine: Node) -> None:
        for _ in range(3):
            buy(user, machine.product, 1, 12)
        numbers = list(Command.objects.order_by("sequence").values_list("sequence", flat=True))
        assert numbers == list(range(1, Intake.objects.get(shard=0).last_sequence + 1))
        drain()
        assert not Reservation.objects.filter(state="voided").exists()
