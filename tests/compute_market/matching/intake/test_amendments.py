"""Amendments: what they hold, and what they leave as it was."""

from __future__ import annotations

from typing import Any

import pytest

from compute_market.leases.errors import CapacityTaken
from compute_market.ledger.errors import InsufficientFunds
from compute_market.matching.errors import (
    AmendmentPending,
    VersionChanged,
)
from compute_market.matching.intake import services
from compute_market.matching.models import Order
from compute_market.offers.models import Node
from hub.accounts.principals import Principal
from tests.factories.exchange import again, buy, drain, main_account, sell
from tests.factories.market import CREDIT, NOON, trader

pytestmark = pytest.mark.django_db


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
        assert 12 * CREDIT <= main_account(user).held_micros < 13 * CREDIT

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
        held = main_account(user).held_micros
        self.amend(user, bid, price_micros_per_gpu_hour=15 * CREDIT)
        assert again(bid).price_micros_per_gpu_hour == 12 * CREDIT
        assert main_account(user).held_micros == held

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
