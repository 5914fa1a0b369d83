"""One order, one machine: fills from one node, one lease of them, and buys that carry a lease on."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from compute_market.leases import checks as lease_checks
from compute_market.leases import jobs as leasing
from compute_market.leases import services as leases
from compute_market.leases.errors import LeaseNotFound
from compute_market.leases.models import Binding, Lease
from compute_market.leases.states import State
from compute_market.ledger.models import Account
from compute_market.matching.clearing import checks
from compute_market.matching.errors import OrderInvalid
from compute_market.matching.intake import services
from compute_market.matching.models import Order, Trade
from compute_market.matching.views import explain, marketdata
from compute_market.offers.models import GpuHold, Node, Product
from hub.accounts.principals import Principal
from tests.clock import stopped_at
from tests.factories import exchange
from tests.factories.exchange import FOK, MIDNIGHT, again, buy, drain, main_account, rich, sell
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def neighbour(machine: Node, provider: Principal) -> Node:
    """A second node of the same product."""
    return exchange.node(provider, machine.product)


def trades_of(order: Order) -> list[tuple[int, int]]:
    """(node, GPUs) of a buy's trades, in their order."""
    return list(Trade.objects.filter(buy=order).order_by("pk").values_list("node", "gpus"))


def assert_right() -> None:
    """Everything that must always hold does."""
    assert checks.audit() == []
    assert lease_checks.audit() == []


class TestSameNode:
    def test_is_the_default_up_to_the_size_of_a_node(self, user: Principal, machine: Node) -> None:
        assert buy(user, machine.product, 8, 12).same_node
        assert not buy(user, machine.product, 9, 12).same_node
        assert not buy(user, machine.product, 8, 12, same_node=False).same_node
        assert buy(user, machine.product, 9, 12, same_node=True).same_node

    def test_takes_the_cheapest_node_that_gives_all(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, neighbour, 8, 10.2)
        drain()
        bid = buy(user, machine.product, 8, 12)
        drain()
        assert trades_of(bid) == [(neighbour.pk, 8)]
        assert_right()

    def test_may_be_asked_to_take_from_any(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, neighbour, 8, 10.2)
        drain()
        bid = buy(user, machine.product, 8, 12, same_node=False)
        drain()
        assert trades_of(bid) == [(machine.pk, 4), (neighbour.pk, 4)]
        assert Lease.objects.count() == 2

    def test_a_fok_says_that_no_single_node_has_it(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, neighbour, 4, 9)
        drain()
        bid = buy(user, machine.product, 8, 12, time_in_force=FOK)
        drain()
        assert (again(bid).state, again(bid).reason) == ("rejected", "not_on_one_node")

    def test_stays_with_the_node_of_its_first_fill(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        bid = buy(user, machine.product, 8, 12)
        drain()
        sell(provider, neighbour, 8, 9)
        drain()
        assert trades_of(bid) == [(machine.pk, 4)]
        assert_right()  # it crosses the neighbour's offer and must not trade with it
        sell(provider, machine, 4, 9)
        drain()
        assert trades_of(bid) == [(machine.pk, 4), (machine.pk, 4)]
        assert_right()


class TestOneLease:
    def test_fills_of_one_commit_are_one_lease(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, machine, 4, 10.2)
        buy(user, machine.product, 8, 12)
        drain()
        lease = Lease.objects.get()
        assert (lease.gpus, lease.joined_gpus) == (8, 4)
        assert lease.notional_micros == 24 * 4 * (9_000_000 + 10_200_000)
        assert lease.price_micros_per_minute * 24 * 60 == lease.notional_micros
        assert lease.price_micros_per_gpu_hour == 9_600_000
        assert_right()

    def test_a_later_fill_joins_the_pending_lease(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        bid = buy(user, machine.product, 8, 12)
        drain()
        later = sell(provider, machine, 4, 10.2)
        drain()
        lease = Lease.objects.get()
        assert (lease.gpus, lease.joined_gpus, lease.order_number) == (8, 4, bid.pk)
        assert list(lease.joined_fills.values_list("gpus", "hold__cause")) == [
            (4, f"order/{later.account_id}/{later.client_order_id}")
        ]
        assert_right()

    def test_counts_each_hold_that_it_leans_on_once(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        offer = sell(provider, machine, 4, 10.2)
        buy(user, machine.product, 6, 12)
        drain()
        # The first offer is sold out and gave its hold back; the other one has two GPUs left.
        assert again(offer).state == "partially_filled"
        assert GpuHold.objects.open().count() == 1
        assert_right()
        services.cancel_order(actor=provider, order_id=offer.pk, now=NOON)
        drain()
        assert_right()
        sell(provider, machine, 2, 9)
        with pytest.raises(Exception, match="GPUs"):
            sell(provider, machine, 1, 9)

    def test_is_paid_to_the_last_micro_credit(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9, hours=(0, 1))
        sell(provider, machine, 4, 10.2, hours=(0, 1))
        bid = buy(user, machine.product, 8, 12, hours=(0, 1))
        drain()
        lease = Lease.objects.get()
        leasing.advance(now=MIDNIGHT)
        lease.refresh_from_db()
        assert lease.token is not None
        leases.take_up(node=machine, lease_id=lease.pk, token=lease.token, now=MIDNIGHT)
        leasing.advance(now=MIDNIGHT + 2 * HOUR)
        lease.refresh_from_db()
        assert lease.state == State.SETTLED
        # Nobody was heard in this hour, so the fees of both fills come back with the price.
        fees = [trade.buy_fee_micros for trade in Trade.objects.all()]
        assert len(fees) == 2
        assert lease.fee_refunded_micros == lease.buyer_fee_micros == sum(fees)
        assert lease.paid_micros + lease.refunded_micros == lease.notional_micros
        assert Account.objects.get(kind=Account.Kind.ESCROW).balance_micros == 0
        assert again(bid).state == "filled"
        assert_right()

    def test_the_rest_ends_with_a_fill_in_the_minute_in_which_the_window_begins(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        now = NOON + timedelta(seconds=20)
        sell(provider, machine, 4, 9, start=None, end=NOON + HOUR, now=now)
        bid = buy(user, machine.product, 8, 12, start=None, end=NOON + HOUR, now=now)
        drain(now=now)
        bid = again(bid)
        assert (bid.state, bid.reason, bid.filled_gpus) == ("cancelled", "window_begun", 4)
        assert main_account(user).held_micros == 0
        assert_right()


class TestHolds:
    """Fault 14 of old: the improvement stayed held until the order ended."""

    def test_hold_what_the_order_says(self, provider: Principal, user: Principal, machine: Node) -> None:
        sell(provider, machine, 2, 3)
        bid = buy(user, machine.product, 4, 9)
        drain()
        bid = again(bid)
        assert bid.hold_micros == main_account(user).held_micros
        assert bid.hold_micros == 2 * 24 * 9 * CREDIT * 10_010 // 10_000
        assert_right()

    def test_also_as_the_side_that_rests(self, provider: Principal, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 4, 9)
        drain()
        sell(provider, machine, 1, 3)
        sell(provider, machine, 1, 9)
        drain()
        bid = again(bid)
        assert bid.hold_micros == main_account(user).held_micros == 2 * 24 * 9 * CREDIT * 10_010 // 10_000
        assert_right()

    def test_after_an_amendment(self, provider: Principal, user: Principal, machine: Node) -> None:
        bid = buy(user, machine.product, 4, 9)
        sell(provider, machine, 1, 3)
        drain()
        services.amend_order(actor=user, order_id=bid.pk, gpus=6, now=NOON)
        drain()
        sell(provider, machine, 1, 3)
        drain()
        assert again(bid).hold_micros == main_account(user).held_micros
        assert_right()


@pytest.fixture
def held(provider: Principal, user: Principal, machine: Node) -> Lease:
    """A lease of four GPUs for the first hour of the day."""
    sell(provider, machine, 8, 9, hours=(0, 24))
    buy(user, machine.product, 4, 9, hours=(0, 1))
    drain()
    return Lease.objects.get()


class TestExtensions:
    def extend(self, who: Principal, lease: Lease, **options: Any) -> Order:
        terms = {"start": None, "hours": (1, 3), "extends_id": lease.pk, "time_in_force": FOK, **options}
        return buy(who, lease.product, terms.pop("gpus", 4), 12, **terms)

    def test_begin_where_the_lease_ends_and_take_its_node(
        self, provider: Principal, user: Principal, held: Lease, neighbour: Node
    ) -> None:
        sell(provider, neighbour, 8, 3)
        drain()
        bid = self.extend(user, held)
        assert (bid.start, bid.extends_id, bid.same_node) == (held.ends_at, held.pk, True)
        drain()
        assert trades_of(bid) == [(held.node_id, 4)]
        assert_right()

    def test_work_runs_on_over_the_seam_on_the_same_gpus(
        self, user: Principal, held: Lease, machine: Node
    ) -> None:
        stranger = rich()
        # Somebody who begins at the seam and came first must not get the GPUs that are in use.
        buy(stranger, machine.product, 4, 12, hours=(1, 2))
        drain()
        self.extend(user, held)
        drain()
        Node.objects.update(runners=["fake"], last_heartbeat_at=MIDNIGHT + HOUR)
        leasing.advance(now=MIDNIGHT)
        held.refresh_from_db()
        assert held.token is not None
        leases.take_up(node=machine, lease_id=held.pk, token=held.token, now=MIDNIGHT)
        work = leases.run_work(
            actor=user, lease_id=held.pk, command=["train"], runner="fake", now=MIDNIGHT + HOUR / 2
        )
        before = set(Binding.objects.filter(lease=held).values_list("gpu", flat=True))
        leasing.start_leases(now=MIDNIGHT + HOUR)
        work.refresh_from_db()
        following = Lease.objects.get(extends=held)
        assert work.lease_id == following.pk
        assert before == set(Binding.objects.filter(lease=following).values_list("gpu", flat=True))

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"gpus": 2}, "gpus"),
            ({"start": MIDNIGHT + 2 * HOUR}, "start"),
            ({"same_node": False}, "same_node"),
        ],
    )
    def test_refuse_what_is_no_extension(
        self, user: Principal, held: Lease, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(OrderInvalid) as refusal:
            self.extend(user, held, **changes)
        assert refusal.value.details["field"] == field

    def test_are_for_the_holder_alone(self, held: Lease) -> None:
        with pytest.raises(LeaseNotFound):
            self.extend(rich(), held)

    def test_belong_to_buys(self, provider: Principal, machine: Node) -> None:
        with pytest.raises(OrderInvalid):
            sell(provider, machine, 1, 9, same_node=True)


class TestQuotes:
    def quotes(self, product: Product, gpus: int, **options: Any) -> list[tuple[bool, int]]:
        found = marketdata.quotes([product], gpus=gpus, hours=2, within_days=2, now=NOON, **options)
        return [(quote.same_node, quote.cost.notional_micros // CREDIT) for quote in found]

    def test_are_of_one_node_where_one_has_all(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, neighbour, 8, 12)
        drain()
        assert self.quotes(machine.product, 4) == [(True, 4 * 2 * 9)]
        assert self.quotes(machine.product, 6) == [(True, 6 * 2 * 12)]
        assert self.quotes(machine.product, 6, same_node=False) == [(False, 2 * (4 * 9 + 2 * 12))]
        assert self.quotes(machine.product, 10) == [(False, 2 * (4 * 9 + 6 * 12))]
        assert self.quotes(machine.product, 10, same_node=True) == []
        # Sold GPUs are not quoted any more, and neither are the offers of a silent node.
        buy(user, machine.product, 4, 9, hours=(0, 23))
        drain()
        assert self.quotes(machine.product, 4) == [(True, 4 * 2 * 12)]
        Node.objects.filter(pk=neighbour.pk).update(is_stale=True)
        assert self.quotes(machine.product, 4, same_node=True) == []

    def test_cost_what_the_order_then_costs(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        chance = random.Random(1)
        for node in [machine, neighbour] * 4:
            sell(provider, node, 2, chance.choice((9, 9.6, 10.2, 12)))
        drain()
        [quote] = marketdata.quotes([machine.product], gpus=5, hours=2, within_days=2, now=NOON)
        limit = quote.limit_micros / CREDIT
        bid = buy(user, machine.product, 5, limit, start=quote.start, end=quote.end, time_in_force=FOK)
        drain()
        assert sum(trade.notional_micros for trade in Trade.objects.filter(buy=bid)) == (
            quote.cost.notional_micros
        )


class TestExplanations:
    def told(self, order: Order) -> dict[str, int]:
        return {miss.what: miss.gpus for miss in explain.misses(again(order), now=NOON)}

    def test_tell_what_several_nodes_would_give(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        sell(provider, neighbour, 4, 9)
        drain()
        bid = buy(user, machine.product, 8, 9, time_in_force=FOK)
        drain()
        assert self.told(bid) == {"several": 8}

    def test_look_at_the_node_of_the_first_fill_only(
        self, provider: Principal, user: Principal, machine: Node, neighbour: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        bid = buy(user, machine.product, 8, 9)
        drain()
        sell(provider, machine, 2, 12)
        sell(provider, neighbour, 8, 10.2)
        drain()
        [dearer] = [miss for miss in explain.misses(again(bid), now=NOON) if miss.what == "dearer"]
        assert (dearer.gpus, dearer.price_micros) == (2, 12 * CREDIT)


class TestFirstMinute:
    def test_is_free(self, provider: Principal, user: Principal, machine: Node) -> None:
        now = NOON + timedelta(seconds=20)
        sell(provider, machine, 4, 9, start=None, end=NOON + HOUR, now=now)
        buy(user, machine.product, 4, 9, start=None, end=NOON + HOUR, now=now)
        with stopped_at(now):
            drain(now=now)
        lease = Lease.objects.get()
        assert (lease.starts_at, lease.metered_through) == (NOON, NOON + timedelta(minutes=1))
