from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from compute_market.demo import cast, jobs
from compute_market.leases import jobs as lease_jobs
from compute_market.leases.models import Lease
from compute_market.matching.models import Level, Order, Trade
from compute_market.matching.views import marketdata
from compute_market.offers.models import Node, Product, Provider, Shard
from foundation.clock import HOUR, database_now
from tests.factories import exchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    call_command("seed_market", verbosity=0)
    call_command("demo_market", verbosity=0)
    drain()
    return database_now()


def drain() -> None:
    for shard in Shard.objects.values_list("number", flat=True):
        exchange.drain(shard)


class TestDemoMarket:
    def test_has_nodes_bids_and_asks_and_says_that_it_is_a_demo(self, now: datetime) -> None:
        assert cast.nodes().count() >= 8
        assert set(Provider.objects.values_list("is_demo", flat=True)) == {True}
        for product in Product.objects.filter(nodes__isnull=False).distinct():
            sides = set(Level.objects.filter(product=product).values_list("side", flat=True))
            assert sides == {Order.Side.BUY, Order.Side.SELL}, product
        assert not Order.objects.filter(state=Order.State.REJECTED).exists()

    def test_has_bids_at_any_hour(self, now: datetime) -> None:
        # Orders end by the clock of the database, so what rests is asked of the orders' own times.
        for hours in range(8):
            moment = now + hours * HOUR
            Node.objects.update(last_heartbeat_at=moment)
            jobs.trade(now=moment)
            resting = Order.objects.filter(side=Order.Side.BUY, expires_at__gt=moment + HOUR)
            products = Product.objects.filter(nodes__isnull=False).distinct()
            assert set(resting.values_list("product", flat=True)) == set(
                products.values_list("pk", flat=True)
            )

    def test_is_made_once(self, now: datetime) -> None:
        jobs.trade(now=now)
        counts = (Node.objects.count(), Order.objects.count())
        cast.enter(now=now)
        jobs.trade(now=now)
        assert (Node.objects.count(), Order.objects.count()) == counts

    def test_quotes_eight_gpus_for_a_day(self, now: datetime) -> None:
        products = list(Product.objects.filter(gpu="h100", nodes__isnull=False).distinct())
        assert marketdata.quotes(products, gpus=8, hours=24, within_days=2, now=now)

    def test_trades_now_and_then(self, now: datetime) -> None:
        for minutes in (5, 10, 15):
            jobs.trade(now=now + timedelta(minutes=minutes))
            drain()
        assert Trade.objects.exists()
        assert Lease.objects.exists()

    def test_trades_each_product_at_its_own_time(self, now: datetime) -> None:
        dealt = []
        # Resting bids of a cheap product may trade, too, where a tick is more than they are below the ask.
        deals = Order.objects.filter(client_order_id__startswith="demo-deal", state=Order.State.FILLED)
        for minutes in range(1, 17):
            before = deals.count()
            jobs.trade(now=now + timedelta(minutes=minutes))
            drain()
            dealt.append(deals.count() - before)
        products = Product.objects.filter(nodes__isnull=False).distinct().count()
        # At the start each trades once, so that there is something to see; then each in its own minute.
        first, *others = dealt
        assert (first, sum(others)) == (products, products)
        assert sum(count > 0 for count in others) >= 4

    def test_takes_leases_up_and_runs_nothing(self, now: datetime) -> None:
        jobs.trade(now=now + timedelta(minutes=5))
        jobs.trade(now=now + timedelta(minutes=10))
        jobs.trade(now=now + timedelta(minutes=15))
        drain()
        lease = Lease.objects.order_by("starts_at").first()
        assert lease is not None
        begun = lease.starts_at + timedelta(seconds=30)
        Node.objects.update(last_heartbeat_at=begun)
        lease_jobs.start_leases(now=begun)
        jobs.tend(now=begun)
        lease.refresh_from_db()
        assert lease.state == "active"

    def test_can_be_turned_off(self, now: datetime, settings: Settings) -> None:
        settings.MARKET_DEMO = False
        before = Order.objects.count()
        jobs.trade(now=now + 8 * HOUR)
        jobs.tend(now=now + 8 * HOUR)
        assert Order.objects.count() == before
        assert not Node.objects.filter(last_heartbeat_at__gt=now).exists()
