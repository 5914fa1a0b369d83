"""Orders on their way in: what is taken, held, refused, and given again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from compute_market.leases.errors import CapacityTaken
from compute_market.leases.models import Lease
from compute_market.ledger.errors import InsufficientFunds, NotAMember
from compute_market.matching.clearing import checks
from compute_market.matching.errors import (
    BulkTooLarge,
    ClientOrderIdReused,
    OrderInvalid,
    TooManyOrders,
)
from compute_market.matching.intake import services
from compute_market.matching.models import Command, Order, RefusedOrder, Trade
from compute_market.matching.views import selectors
from compute_market.offers.errors import NodeNotFound, NodeNotTradable
from compute_market.offers.models import Node
from foundation.errors import Refusal
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import BUY, GTD, IOC, MIDNIGHT, again, buy, drain, main_account, rich, sell
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = pytest.mark.django_db


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
        assert main_account(user).held_micros == 0
        spent = trade.notional_micros + trade.buy_fee_micros
        assert main_account(user).balance_micros == 1_000_000 * CREDIT - spent
        depth = selectors.depth(product_id=machine.product_id)
        assert sorted(depth.values_list("gpus", flat=True)) == [4, 4]
        lease = Lease.objects.get()
        assert (lease.trade_number, lease.node, lease.gpus) == (trade.pk, machine, 4)

    def test_is_on_hold_from_acceptance(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12, hours=(0, 1))
        fee = 12 * CREDIT * max(bid.maker_fee_bps, bid.taker_fee_bps) // 10_000
        assert main_account(user).held_micros == 12 * CREDIT + fee

    def test_without_funds_is_refused_and_changes_nothing(self, machine: Node) -> None:
        poor = trader(funds=1)
        with pytest.raises(InsufficientFunds):
            buy(poor, machine.product, 1, 12)
        assert not Order.objects.exists()
        assert main_account(poor).held_micros == 0

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

    def test_now_is_the_current_minute(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12, start=None, now=NOON + timedelta(seconds=59))
        assert (bid.start, bid.expires_at) == (NOON, NOON + timedelta(minutes=1))

    def test_now_needs_a_whole_minute(self, user: Principal, machine: Node) -> None:
        late = NOON + timedelta(minutes=59, seconds=30)
        with pytest.raises(OrderInvalid) as refusal:
            buy(user, machine.product, 1, 12, start=None, end=NOON + timedelta(hours=1), now=late)
        assert refusal.value.details["field"] == "end"

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
        held = main_account(user).held_micros
        with pytest.raises(ClientOrderIdReused):
            buy(user, machine.product, 2, 12, client_order_id="a")
        assert main_account(user).held_micros == held

    def test_another_account_may_use_the_same_id(self, user: Principal, machine: Node) -> None:
        other = rich()
        bought = [buy(who, machine.product, 1, 12, client_order_id="a") for who in (user, other)]
        assert [order.account.namespace_id for order in bought] == [namespace_of(user), namespace_of(other)]
        assert bought[0].pk != bought[1].pk

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
            actor=user, orders=exchange.for_account(user, wanted), now=NOON
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
            services.place_orders(actor=user, orders=exchange.for_account(user, wanted), now=NOON)


class TestAGroup:
    """Orders of several namespaces in one commit, as `place_order` gathers them."""

    def accept(self, *wanted: tuple[Principal, services.OrderRequest]) -> list[Order | Refusal]:
        return services._accept(
            [
                services._Wanted(namespace_of(who), request, NOON + timedelta(seconds=number))
                for number, (who, request) in enumerate(wanted)
            ]
        )

    def test_holds_each_ones_own_money(self, machine: Node) -> None:
        first, second, poor, new = rich(), rich(), trader(funds=1), trader()
        wanted = exchange.request(machine.product, BUY, 1, 12, hours=(0, 1))
        again_ = replace(wanted, client_order_id="another")
        answers = self.accept(
            (second, wanted), (poor, wanted), (first, wanted), (new, wanted), (first, again_)
        )
        assert [type(answer).__name__ for answer in answers] == [
            "Order",
            "InsufficientFunds",
            "Order",
            "InsufficientFunds",
            "Order",
        ]
        held = [main_account(who).held_micros for who in (first, second, poor, new)]
        assert held == [2 * held[1], held[1], 0, 0]
        placed = [answer for answer in answers if isinstance(answer, Order)]
        assert [order.account.namespace_id for order in placed] == [
            namespace_of(who) for who in (second, first, first)
        ]
        assert {order.placed_at for order in placed} == {NOON + timedelta(seconds=4)}
        assert drain() == 1 + 3
        assert {again(order).state for order in placed} == {"open"}
        assert checks.audit() == []

    def test_knows_an_order_again_that_came_twice(self, user: Principal, machine: Node) -> None:
        wanted = exchange.request(machine.product, BUY, 1, 12)
        other = replace(wanted, gpus=2)
        first, twin, stranger = self.accept((user, wanted), (user, wanted), (user, other))
        assert isinstance(first, Order)
        assert twin is first
        assert isinstance(stranger, ClientOrderIdReused)
        assert Order.objects.count() == 1

    def test_of_refusals_leaves_their_ids_and_no_order(self, machine: Node) -> None:
        wanted = exchange.request(machine.product, BUY, 1, 12)
        answers = self.accept((trader(), wanted), (trader(), wanted))
        assert [type(answer).__name__ for answer in answers] == ["InsufficientFunds"] * 2
        assert not Command.objects.filter(kind="new").exists()
        assert not Order.objects.exists()
        assert RefusedOrder.objects.filter(client_order_id=wanted.client_order_id).count() == 2
