"""News from supply: nodes that fall silent and come back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market.leases import jobs as leasing
from compute_market.matching.intake import services
from compute_market.matching.models import Command, Level, Order, Trade
from compute_market.matching.views import explain, marketdata
from compute_market.offers import jobs as offers
from compute_market.offers import services as supply
from compute_market.offers.errors import NodeNotTradable
from compute_market.offers.models import GpuHold, Node, Product
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import IOC, MIDNIGHT, again, buy, drain, sell
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db


class TestARetiredNode:
    def test_sells_nothing_more_and_what_it_sold_is_paid_back_with_the_fee(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer, other = sell(provider, machine, 8, 9), sell(provider, machine, 8, 9, hours=(24, 48))
        bought = buy(user, machine.product, 8, 9, hours=(0, 12))
        drain()
        paid = 1_000_000 * CREDIT - exchange.main_account(user).balance_micros
        assert paid > 8 * 12 * 9 * CREDIT  # with the buyer's fee
        supply.retire_node(actor=provider, node_id=machine.pk, now=NOON)
        drain()
        assert [again(order).state for order in (offer, other)] == ["cancelled", "cancelled"]
        assert again(offer).filled_gpu_minutes == 8 * 12 * 60
        assert not GpuHold.objects.open().exists()
        leasing.advance(now=NOON)
        assert again(bought).state == "filled"
        assert exchange.main_account(user).balance_micros == 1_000_000 * CREDIT


class TestASilentNode:
    """The whole way: heartbeats stay away, the sweep notices, the log tells the engine, the book changes."""

    LATER = NOON + timedelta(minutes=2)

    def silence(self) -> None:
        assert offers.mark_silent_nodes(now=self.LATER) == 1
        drain(now=self.LATER)

    def hear(self, node: Node) -> None:
        supply.hear(node=node, runners=[], now=self.LATER)
        drain(now=self.LATER)

    def seen(self, product: Product) -> list[tuple[int, int]]:
        """The asks as a taker sees them: (price in credits, GPUs)."""
        found = marketdata.book(product, start=MIDNIGHT, end=MIDNIGHT + timedelta(hours=24))
        return [(price // CREDIT, gpus) for price, gpus in found.asks]

    def keep_heard(self, node: Node) -> None:
        Node.objects.filter(pk=node.pk).update(last_heartbeat_at=self.LATER)

    def test_takes_its_offers_off_the_book_and_out_of_quotes(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        drain()
        assert self.seen(machine.product) == [(9, 8)]
        self.silence()
        assert self.seen(machine.product) == []
        asked = {"gpus": 1, "hours": 2, "within_days": 1, "now": NOON}
        assert marketdata.quotes([machine.product], **asked) == []
        bid = buy(user, machine.product, 8, 15, time_in_force=IOC, now=self.LATER)
        drain(now=self.LATER)
        assert (again(bid).state, again(bid).filled_gpu_minutes) == ("cancelled", 0)
        # The offer itself lives, holds its GPUs, and tells its provider why it does not trade.
        assert again(offer).state == "open"
        machine.refresh_from_db()
        order = Order.objects.select_related("product", "node").get(pk=offer.pk)
        assert [miss.what for miss in explain.misses(order, now=self.LATER)] == ["node"]
        with pytest.raises(NodeNotTradable):
            sell(provider, machine, 8, 9, now=self.LATER, hours=(24, 48))

    def test_gives_its_place_to_others_and_takes_it_again(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        other = exchange.node(provider, machine.product)
        first, second = sell(provider, machine, 8, 9), sell(provider, other, 8, 9)
        drain()
        self.keep_heard(other)
        self.silence()
        buy(user, machine.product, 1, 9, now=self.LATER)
        drain(now=self.LATER)
        filled = again(first).filled_gpu_minutes, again(second).filled_gpu_minutes
        assert filled == (0, 24 * 60)
        self.hear(machine)
        assert self.seen(machine.product) == [(9, 15)]
        buy(user, machine.product, 8, 9, now=self.LATER)
        drain(now=self.LATER)
        # The older offer is the first in the queue again, and sells all it has.
        assert again(first).state == "filled"
        assert again(second).filled_gpu_minutes == 24 * 60

    def test_that_returns_sells_to_who_waited_at_the_waiting_orders_price(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        drain()
        self.silence()
        waiting = buy(user, machine.product, 3, 12, now=self.LATER)
        drain(now=self.LATER)
        assert again(waiting).state == "open"
        self.hear(machine)
        assert again(waiting).state == "filled"
        assert Trade.objects.get().price_micros_per_gpu_hour == 12 * CREDIT
        assert again(offer).filled_gpu_minutes == 3 * 24 * 60
        assert self.seen(machine.product) == [(9, 5)]

    def test_keeps_what_it_has_sold_and_returns_with_the_rest(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 9)
        buy(user, machine.product, 8, 9, hours=(0, 12))
        drain()
        self.silence()
        assert Level.objects.count() == 0
        self.hear(machine)
        [level] = Level.objects.all()
        assert (level.gpus, level.start, level.end) == (
            8,
            MIDNIGHT + timedelta(hours=12),
            MIDNIGHT + timedelta(hours=24),
        )

    def test_lets_its_offers_be_cancelled_and_these_do_not_return(
        self, provider: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        drain()
        self.silence()
        services.cancel_order(actor=provider, order_id=offer.pk, now=self.LATER)
        self.hear(machine)
        assert again(offer).state == "cancelled"
        assert self.seen(machine.product) == []
        sell(provider, machine, 8, 9, now=self.LATER)

    def test_is_noticed_once_however_often_the_sweep_runs(self, provider: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9)
        drain()
        self.silence()
        assert offers.mark_silent_nodes(now=self.LATER) == 0
        self.hear(machine)
        self.hear(machine)
        kinds = Command.objects.order_by("sequence").values_list("kind", flat=True)
        assert list(kinds) == ["configure", "new", "suspend", "resume"]
        assert self.seen(machine.product) == [(9, 8)]

    def test_is_sent_to_followers_of_the_stream(self, provider: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9)
        drain()
        number = marketdata.last_news(machine.product)
        self.silence()
        [(gone, news)] = marketdata.news_after(machine.product, after=number, limit=10)
        assert [(level.gpus, level.orders) for level in news.levels] == [(0, 0)]
        self.hear(machine)
        [(_, news)] = marketdata.news_after(machine.product, after=gone, limit=10)
        assert [(level.gpus, level.orders) for level in news.levels] == [(8, 1)]
