"""Declared hardware trades only while its provider's bond suffices, also what rests on the book already."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from compute_market.leases import jobs as leasing
from compute_market.matching.clearing import replay
from compute_market.matching.models import Order
from compute_market.matching.views import explain, marketdata, offering, overview
from compute_market.offers import checks, jobs
from compute_market.offers import services as supply
from compute_market.offers.errors import NodeNotTradable
from compute_market.offers.models import Node
from hub.accounts.principals import Principal
from tests.factories import exchange, market
from tests.factories.exchange import MIDNIGHT, again, buy, drain, sell
from tests.factories.market import CREDIT, NOON, declare, post_bond, release_bond

pytestmark = pytest.mark.django_db

H100 = {"model": "NVIDIA H100 80GB HBM3", "memory_mb": 81559}


@pytest.fixture
def machine(provider: Principal) -> Node:
    """A node that was measured."""
    node = exchange.node(provider, exchange.product(fragments=[["h100"]]))
    measure(node)
    return node


def measure(node: Node) -> None:
    found = [H100 | {"index": index, "uuid": f"GPU-{node.pk}-{index}"} for index in range(node.gpus)]
    report = supply.report_hardware(node=node, method="nvml", devices=found, host={}, now=NOON)
    assert report.is_accepted


def filled(order: Order) -> int:
    """GPUs over the whole day."""
    return again(order).filled_gpu_minutes // (24 * 60)


def reasons(order: Order) -> list[str]:
    """The reasons, as shown to the owner, that keep the order from trading at all."""
    found = Order.objects.select_related("product", "node").get(pk=order.pk)
    misses = explain.misses(found, now=NOON)
    return [miss.what for miss in misses if miss.what in {"bond", "node", "halted"}]


def require_replayed() -> None:
    again_played = replay.replay(shard=0)
    assert again_played.findings == []
    assert again_played.trades > 0


class TestARestingOffer:
    def test_does_not_trade_from_the_commit_on_in_which_its_node_turned_declared(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        drain()
        before = buy(user, machine.product, 1, 9)
        declared = declare(machine)
        after = buy(user, machine.product, 2, 9)
        # All three are on the log and none was matched yet: the log's order decides, not the drain's time.
        drain()
        assert (declared.state, declared.is_tradable(NOON)) == ("ready", False)
        assert (filled(before), filled(after), filled(offer)) == (1, 0, 1)
        assert again(offer).state == "partially_filled"
        assert reasons(offer) == ["bond"]
        with pytest.raises(NodeNotTradable, match=r"needs a bond of 800.00 credits, and 0.00 are posted"):
            sell(provider, machine, 1, 9, hours=(24, 48))
        post_bond(provider, 799)
        drain()
        assert (filled(after), reasons(offer)) == (0, ["bond"])
        post_bond(provider, 1)
        drain()
        assert (filled(after), filled(offer), reasons(offer)) == (2, 3, [])
        require_replayed()

    def test_is_in_no_book_quote_or_list_meanwhile(self, provider: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9)
        drain()
        end = MIDNIGHT + timedelta(hours=24)
        wanted = offering.OfferQuery(machine.product_id, MIDNIGHT, end, 9 * CREDIT)

        def seen() -> tuple[int, int, int, int]:
            quotes = marketdata.quotes([machine.product], gpus=1, hours=2, within_days=1, now=NOON)
            [row] = overview.rows([machine.product], now=NOON)
            asks = marketdata.book(machine.product, start=MIDNIGHT, end=end).asks
            offers = offering.offerings([wanted], now=NOON)[0]
            return len(asks), len(quotes), len(offers), row.offered_gpus

        assert seen() == (1, 1, 1, 8)
        declare(machine)
        drain()
        assert seen() == (0, 0, 0, 0)
        measure(machine)
        drain()
        assert seen() == (1, 1, 1, 8)

    def test_takes_its_place_in_the_queue_again_when_the_bond_is_back(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        post_bond(provider, 800)
        declare(machine)
        other = exchange.node(provider, machine.product)
        first, second = sell(provider, machine, 8, 9), sell(provider, other, 8, 9)
        drain()
        release_bond(provider, 1)
        buy(user, machine.product, 1, 9)
        drain()
        assert (filled(first), filled(second)) == (0, 1)
        post_bond(provider, 1)
        buy(user, machine.product, 8, 9)
        drain()
        assert (filled(first), filled(second)) == (8, 1)
        require_replayed()

    def test_does_not_trade_once_a_credit_has_drawn_the_bond_below_what_is_needed(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        post_bond(provider, 800)
        declare(machine)
        offer = sell(provider, machine, 8, 9)
        drain()
        other = market.node(provider, gpus=1, of=machine.product)
        lease = market.lease(other, start=NOON + timedelta(hours=10))
        supply.retire_node(actor=provider, node_id=other.pk, now=NOON)
        leasing.advance(now=NOON)
        lease.refresh_from_db()
        assert lease.credited_micros > 0
        bid = buy(user, machine.product, 1, 9)
        drain()
        assert (filled(bid), reasons(offer)) == (0, ["bond"])
        post_bond(provider, 1)
        drain()
        assert filled(bid) == 1
        require_replayed()

    def test_returns_only_when_neither_silence_nor_the_bond_keeps_it(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 9)
        declare(machine)
        later = NOON + timedelta(minutes=2)
        assert jobs.mark_silent_nodes(now=later) == 1
        bid = buy(user, machine.product, 1, 9, now=later)
        post_bond(provider, 800, now=later)
        drain(now=later)
        assert filled(bid) == 0
        supply.hear(node=machine, runners=[], now=later)
        drain(now=later)
        assert filled(bid) == 1
        release_bond(provider, 1, now=later)
        bid = buy(user, machine.product, 1, 9, now=later)
        assert jobs.mark_silent_nodes(now=later + timedelta(minutes=2)) == 1
        supply.hear(node=machine, runners=[], now=later + timedelta(minutes=2))
        drain(now=later + timedelta(minutes=2))
        assert filled(bid) == 0
        require_replayed()

    def test_returns_when_another_declared_node_is_retired(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        other = exchange.node(provider, exchange.product(shard=1))
        post_bond(provider, 800)
        declare(machine)
        offer = sell(provider, machine, 8, 9)
        declare(other)
        bid = buy(user, machine.product, 1, 9)
        drain()
        assert (filled(bid), reasons(offer)) == (0, ["bond"])
        supply.retire_node(actor=provider, node_id=other.pk, now=NOON)
        drain()
        assert filled(bid) == 1
        require_replayed()


class TestAnotherBondPerGpu:
    def test_is_found_by_the_audit_and_followed_by_the_sweep(
        self, provider: Principal, machine: Node, settings: Any
    ) -> None:
        post_bond(provider, 800)
        declare(machine)
        for credits_a_gpu, is_tradable in ((101, False), (100, True)):
            settings.MARKET_DECLARED_BOND = credits_a_gpu
            assert checks.audit() == [
                f"Declared nodes of provider {machine.provider_id} do not trade as its bond allows."
            ]
            assert [jobs.review_bonds(now=NOON), jobs.review_bonds(now=NOON)] == [1, 0]
            assert Node.objects.get().is_tradable(NOON) == is_tradable
            assert checks.audit() == []
