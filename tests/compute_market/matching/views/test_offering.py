"""Buyers see the suppliers, and the bond of declared hardware."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from compute_market.api.answers.market_data import SupplierAnswer
from compute_market.leases import jobs as leasing
from compute_market.leases import services as leases
from compute_market.leases import suppliers
from compute_market.matching.views import marketdata, offering
from compute_market.offers import services as offers
from compute_market.offers.errors import NodeNotTradable
from compute_market.offers.models import Node
from compute_market.offers.services import hear, retire_node
from hub.accounts.models import User
from hub.interface import Principal
from tests.factories import exchange, market
from tests.factories.exchange import MIDNIGHT, again, buy, drain, sell
from tests.factories.market import CREDIT, NOON, declare, post_bond, trader

pytestmark = pytest.mark.django_db


class TestDeclaredHardware:
    def test_is_offered_only_with_a_bond_for_each_declared_gpu(self, machine: Node) -> None:
        owner = trader(funds=1000)
        first, second = (exchange.node(owner, machine.product, gpus=4) for _ in range(2))
        declare(first)
        with pytest.raises(NodeNotTradable, match=r"needs a bond of 400.00 credits, and 0.00 are posted"):
            sell(owner, first, 1, 9)
        sell(owner, second, 1, 9)  # nothing was declared of this one
        post_bond(owner, 399)
        with pytest.raises(NodeNotTradable, match=r"399.00 are posted"):
            sell(owner, first, 1, 9)
        post_bond(owner, 1)
        assert sell(owner, first, 1, 9).state == "pending"
        declare(second)
        with pytest.raises(NodeNotTradable, match=r"needs a bond of 800.00"):
            sell(owner, first, 1, 9)
        retire_node(actor=owner, node_id=second.pk, now=NOON)
        sell(owner, first, 1, 9)

    def test_is_noted_with_the_report(self) -> None:
        node = market.node(gpus=1)
        for method, model in (("nvml", "NVIDIA H100 80GB HBM3"), ("declared", "h100-sxm-80g")):
            device = {"index": 0, "model": model, "memory_mb": 81559}
            offers.report_hardware(node=node, method=method, devices=[device], host={}, now=NOON)
            node.refresh_from_db()
            assert (node.state, node.hardware) == ("ready", method)
            # A declared report is right; but the node has no bond, so it does not trade.
            assert node.is_tradable(NOON) == (method == "nvml")
        offers.report_hardware(node=node, method="nvml", devices=[], host={}, now=NOON)
        node.refresh_from_db()
        assert (node.state, node.hardware) == ("suspended", "declared")


class TestNamedProviders:
    def test_are_shown_by_quote_order_and_offers(
        self, provider: Principal, user: Principal, machine: Node, client: Client
    ) -> None:
        other = trader(funds=1000)
        post_bond(other, 900)
        theirs = exchange.node(other, machine.product)
        declare(theirs)
        dear = exchange.node(trader(), machine.product)
        for who, node, price in ((provider, machine, 9), (other, theirs, 9), (None, dear, 12)):
            sell(who or owner_of(dear), node, 8, price)
        drain()
        [quote] = marketdata.quotes([machine.product], gpus=8, hours=2, within_days=1, now=NOON)
        [told] = offering.of_quotes([quote], now=NOON)
        names = {each.supplier.name: (each.hardware, each.supplier.bond_micros) for each in told}
        assert names == {provider.name: ("none", 0), other.name: ("declared", 900 * CREDIT)}
        url = f"/api/market/v1/offers?gpu={machine.product.gpu}&region={machine.product.region}"
        by_price = {
            item["price_micros_per_gpu_hour"] // CREDIT: {each["provider"] for each in item["suppliers"]}
            for item in client.get(url).json()["items"]
        }
        if by_price:  # offers are those that have not ended by the database's clock
            assert by_price == {9: {provider.name, other.name}, 12: {owner_of(dear).name}}
        bid = buy(user, machine.product, 8, 9)
        assert {each.supplier.name for each in offering.of_order(again(bid), now=NOON)} == set(names)
        drain()
        [bought] = offering.of_order(again(bid), now=NOON)
        assert bought.supplier.name == provider.name
        assert SupplierAnswer.of(bought).hardware == "none"

    def test_leaves_out_nodes_that_do_not_trade(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 9)
        drain()
        wanted = offering.OfferQuery(machine.product_id, MIDNIGHT, MIDNIGHT + timedelta(hours=2), 9 * CREDIT)
        assert len(offering.offerings([wanted], now=NOON)[0]) == 1
        assert offering.offerings([wanted], now=NOON + timedelta(minutes=5)) == [[]]
        for less in (
            wanted._replace(price_micros=8 * CREDIT),
            wanted._replace(end=MIDNIGHT + timedelta(hours=25)),
            wanted._replace(price_micros=10 * CREDIT, at_price=True),
        ):
            assert offering.offerings([less], now=NOON) == [[]]


def owner_of(node: Node) -> Principal:
    return Principal(user=User.objects.get(namespace=node.provider.namespace))


class TestReliability:
    def test_is_what_was_delivered_of_what_was_sold_in_thirty_days(self) -> None:
        owner, holder = trader(funds=100), trader(funds=1000)
        node = market.node(owner, gpus=4)
        kept = market.lease(node, holder=holder)
        broken = market.lease(node, holder=holder, start=NOON + timedelta(hours=10))
        for minute in range(63):
            hear(node=node, runners=["fake"], now=NOON + timedelta(minutes=minute, seconds=10))
        leasing.start_leases(now=NOON)
        kept.refresh_from_db()
        assert kept.token is not None
        leases.take_up(node=node, lease_id=kept.pk, token=kept.token, now=NOON)
        leasing.advance(now=NOON + timedelta(minutes=62))
        later = NOON + timedelta(minutes=63)
        retire_node(actor=owner, node_id=node.pk, now=later)
        leasing.advance(now=later)
        broken.refresh_from_db()
        assert broken.state == "settled"
        [seen] = suppliers.suppliers([node.provider_id], now=later).values()
        assert (seen.leases, seen.broken_leases) == (2, 1)
        assert (seen.delivered_minutes, seen.sold_minutes, seen.delivered_percent) == (60, 120, 50.0)
        [seen] = suppliers.suppliers([node.provider_id], now=later + timedelta(days=30)).values()
        assert (seen.leases, seen.delivered_percent) == (0, None)

    @pytest.mark.parametrize("seconds", [0, 1, 59])
    def test_does_not_count_the_free_part_of_the_first_minute(self, seconds: int) -> None:
        node = market.node(gpus=1)
        now = NOON + timedelta(seconds=seconds)
        lease = market.lease(node, now=now)
        leasing.start_leases(now=now)
        lease.refresh_from_db()
        assert lease.token is not None
        leases.take_up(node=node, lease_id=lease.pk, token=lease.token, now=now)
        for minute in range(60):
            hear(node=node, runners=["fake"], now=NOON + timedelta(minutes=minute, seconds=59))
        later = NOON + timedelta(minutes=62)
        leasing.advance(now=later)
        [seen] = suppliers.suppliers([node.provider_id], now=later).values()
        minutes = 59 if seconds else 60
        assert (seen.delivered_minutes, seen.sold_minutes, seen.delivered_percent) == (
            minutes,
            minutes,
            100.0,
        )
