from __future__ import annotations

import pytest

from compute_market.ledger.models import Account, Transfer
from compute_market.matching.models import Level, Order, Trade
from tests.factories import exchange
from tests.factories.market import CREDIT, namespace_of

pytestmark = pytest.mark.django_db


class TestPlaceOrder:
    def test_a_bid_meets_an_offer(self) -> None:
        product = exchange.product()
        provider, user = exchange.rich(), exchange.rich()
        machine = exchange.node(provider, product)
        offer = exchange.sell(provider, machine, 8, 9.0)
        bid = exchange.buy(user, product, 4, 12.0, hours=(0, 12))
        assert (offer.state, bid.state) == ("pending", "pending")
        assert exchange.drain() == 3
        offer.refresh_from_db()
        bid.refresh_from_db()
        assert (offer.state, bid.state) == ("partially_filled", "filled")
        assert offer.filled_gpu_minutes == 4 * 12 * 60
        trade = Trade.objects.get()
        assert trade.notional_micros == 4 * 12 * 9 * CREDIT
        purse = Account.objects.get(namespace=namespace_of(user), kind="main")
        assert purse.held_micros == 0
        assert purse.balance_micros == 1_000_000 * CREDIT - trade.notional_micros - trade.buy_fee_micros
        assert sorted(Level.objects.values_list("gpus", flat=True)) == [4, 4]
