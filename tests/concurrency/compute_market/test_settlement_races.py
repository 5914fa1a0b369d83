"""Drains, settlements, reports and sell-backs at once, on PostgreSQL: money, bonds and books agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from compute_market.leases import checks as lease_checks
from compute_market.leases import jobs as leasing
from compute_market.leases.models import Lease
from compute_market.ledger import checks as ledger_checks
from compute_market.matching.clearing import checks, replay, shard_engines
from compute_market.matching.models import Command, Cursor, Order, Trade
from compute_market.offers import checks as supply_checks
from compute_market.offers import jobs as supply_jobs
from compute_market.offers import services as supply
from compute_market.offers.models import Node
from tests.concurrency.races import kinds, race
from tests.factories import exchange, market
from tests.factories.exchange import SELL, buy, drain, main_account, rich, sell
from tests.factories.market import CREDIT, NOON, declare, namespace_of, post_bond, release_bond

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ROUNDS = 4
SHARDS = (0, 1)


@pytest.fixture(autouse=True)
def _no_engine_in_memory() -> None:
    shard_engines.forget_all()


def require_right() -> None:
    """Drain what is left; then nothing is wrong, and each engine withholds the nodes that may not trade."""
    for shard in SHARDS:
        drain(shard)
        if Cursor.objects.filter(shard=shard).exists():
            again = replay.replay(shard=shard)
            assert again.findings == []
            nodes = Node.objects.filter(product__shard=shard).exclude(state=Node.State.ENROLLED)
            assert {node.pk for node in nodes if node.is_withdrawn} == again.matcher.suspended
    found = [lease_checks.audit(), ledger_checks.audit(), checks.audit(), supply_checks.audit()]
    assert found == [[], [], [], []]


class TestTwoWorkers:
    def test_that_drain_two_shards_of_one_account_move_its_money_once(self) -> None:
        buyer, sellers = rich(1_000_000), [rich(), rich()]
        products = [exchange.product(shard=shard) for shard in SHARDS]
        spent = 0
        for _round in range(ROUNDS):
            for shard in SHARDS:
                node = exchange.node(sellers[shard], products[shard], gpus=8)
                for _ in range(4):
                    # Sellers buy from each other as well, so each account is in both shards' batches.
                    buy(buyer, products[shard], 1, 12)
                    buy(sellers[1 - shard], products[shard], 1, 12)
                    sell(sellers[shard], node, 2, 9)
            outcomes = race(
                *[partial(drain, shard) for shard in SHARDS],
                partial(market.fund, namespace_of(buyer), 10),
                partial(buy, buyer, products[0], 1, 3),
            )
            assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        require_right()
        mine = Trade.objects.filter(buyer__namespace=namespace_of(buyer))
        assert mine.count() == ROUNDS * 8
        spent = sum(trade.notional_micros + trade.buy_fee_micros for trade in mine)
        assert main_account(buyer).balance_micros == (1_000_000 + ROUNDS * 10) * CREDIT - spent


class TestASettlementThatDrawsOnABond:
    def test_and_reports_of_the_same_provider_leave_no_node_misjudged(self) -> None:
        for number in range(ROUNDS):
            owner, product = rich(), exchange.product(shard=number % 2)
            other = exchange.product(shard=1 - number % 2)
            post_bond(owner, 200)
            standing = exchange.node(owner, product, gpus=1)
            declare(standing)
            # A lease that broke: its credit takes the bond below what two declared GPUs need.
            broken = exchange.node(owner, product, gpus=1)
            lease = market.lease(broken, hours=100, price=6 * CREDIT)
            supply.retire_node(actor=owner, node_id=broken.pk, now=NOON)
            leasing.lose_leases_of_retired_nodes(now=NOON)
            newcomers = [exchange.node(owner, each, gpus=1) for each in (product, other)]
            outcomes = race(
                partial(leasing.settle_leases, now=NOON),
                *[partial(declare, node) for node in newcomers],
                partial(declare, standing),
                partial(post_bond, owner, 1),
                partial(leasing.settle_leases, now=NOON),
            )
            assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            assert supply_checks.audit() == []
            lease.refresh_from_db()
            assert (lease.state, lease.credited_micros) == ("settled", 60 * CREDIT)
            lacking = set(Node.objects.filter(provider=standing.provider_id).values_list("pk", "lacks_bond"))
            assert lacking == {(node.pk, True) for node in (standing, *newcomers)} | {(broken.pk, False)}
        require_right()


class TestASellBack:
    def test_from_a_node_whose_bond_falls_short_rests_off_the_book_or_is_refused(self) -> None:
        refused = accepted = 0
        for _round in range(ROUNDS):
            owner, holder, product = rich(), rich(), exchange.product()
            node = exchange.node(owner, product, gpus=4)
            post_bond(owner, 400)
            declare(node)
            lease = market.lease(node, holder=holder, gpus=2, start=NOON + timedelta(hours=12), hours=24)
            wanted = exchange.request(product, SELL, 2, 9, lease_id=lease.pk)
            place = partial(exchange.place, holder, wanted)
            offer, fact = race(place, partial(release_bond, owner, 100))
            assert not isinstance(fact, Exception)
            later = buy(rich(), product, 2, 12)
            drain()
            assert exchange.again(later).state == "open"
            if isinstance(offer, Order):
                accepted += 1
                assert exchange.again(offer).state == "open"
            else:
                refused += 1
                assert kinds([offer]) == ["NodeNotTradable"]
            post_bond(owner, 100)
            if not isinstance(offer, Order):
                # A refused order has used its id up (rule M6).
                exchange.place(holder, replace(wanted, client_order_id=f"{wanted.client_order_id}-again"))
            drain()
            assert exchange.again(later).state == "filled"
            assert Lease.objects.filter(parent=lease).count() == 1
        assert accepted + refused == ROUNDS
        require_right()


class TestASuspendedNode:
    def test_that_was_silent_is_on_the_book_just_when_it_may_trade(self) -> None:
        """A right report, a heartbeat and the sweep for silent nodes meet in every order."""
        owner, product = rich(), exchange.product()
        late = NOON + timedelta(minutes=10)
        for number in range(ROUNDS * 2):
            node = exchange.node(owner, product, gpus=1)
            offer = sell(owner, node, 1, 9)
            drain()
            wrong = {"index": 0, "model": "h200-sxm-141g", "memory_mb": 141 * 1024}
            supply.report_hardware(node=node, method="declared", devices=[wrong], host={}, now=NOON)
            if number % 2:
                supply_jobs.mark_silent_nodes(now=late)
            right = {
                "index": 0,
                "model": "NVIDIA H100 80GB HBM3",
                "memory_mb": 81559,
                "uuid": f"GPU-{number}",
            }
            report = partial(supply.report_hardware, method="nvml", devices=[right], host={}, now=late)
            outcomes = race(
                partial(report, node=node),
                partial(supply.hear, node=node, runners=[], now=late),
                partial(supply_jobs.mark_silent_nodes, now=late),
            )
            assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            # If the sweep came last in time, the next heartbeat brings the node back.
            supply.hear(node=node, runners=[], now=late)
            node.refresh_from_db()
            assert (node.state, node.is_stale, node.is_withdrawn) == ("ready", False, False)
            bid = buy(rich(), product, 1, 9, now=late)
            drain(now=late)
            assert {exchange.again(bid).state, exchange.again(offer).state} == {"filled"}
        assert Command.objects.filter(kind=Command.Kind.SUSPEND).exists()
        require_right()
