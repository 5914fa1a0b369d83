"""Cancels by traders, and the switches of operators."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from compute_market.matching.errors import (
    OrderNotFound,
    OrderNotOpen,
    ProductHalted,
)
from compute_market.matching.intake import services
from compute_market.matching.models import Level, Listing, Order, Outcome
from compute_market.offers.models import Node
from foundation.errors import Refusal
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import IOC, again, buy, drain, main_account, rich, sell
from tests.factories.market import CREDIT, NOON, namespace_of, operator

pytestmark = pytest.mark.django_db


class TestCancel:
    def test_gives_the_hold_back(self, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 1, 12)
        services.cancel_order(actor=user, order_id=bid.pk, now=NOON)
        drain()
        assert again(bid).state == "cancelled"
        assert main_account(user).held_micros == 0
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
        assert main_account(user).held_micros < 2 * 24 * 12 * CREDIT

    def test_is_for_operators(self, user: Principal) -> None:
        with pytest.raises(Refusal):
            services.halt(actor=user, now=NOON)
