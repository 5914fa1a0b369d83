from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from compute_market.leases import capacity
from compute_market.leases.errors import CapacityTaken, LeaseNotFound, WindowOutsideLease
from compute_market.leases.models import Lease
from compute_market.ledger.models import Account
from compute_market.offers.errors import NodeNotFound, NodeNotTradable
from compute_market.offers.models import GpuHold, Node
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import NOON, namespace_of, trader

pytestmark = pytest.mark.django_db


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


@pytest.fixture
def owner() -> Principal:
    return trader(funds=1)


@pytest.fixture
def node(owner: Principal) -> Node:
    return market.node(owner, gpus=8)


def supply(node: Node, *leases: Lease, now: datetime = NOON) -> capacity.Supply:
    nodes = capacity.lock_nodes(ids=[node.pk]).values()
    return capacity.Supply(nodes=nodes, lease_ids=[lease.pk for lease in leases], now=now)


def account(principal: Principal) -> Account:
    return Account.objects.get(namespace_id=namespace_of(principal), kind="main")


def hold(
    node: Node,
    owner: Principal,
    cause: str,
    *,
    gpus: int,
    hours: tuple[int, int],
    of: Lease | None = None,
    now: datetime = NOON,
) -> None:
    with transaction.atomic():
        stock = supply(node, *([of] if of else []), now=now)
        stock.hold(
            account=account(owner),
            product_id=node.product_id,
            node_id=node.pk,
            lease_id=of.pk if of else None,
            gpus=gpus,
            start=at(hours[0]),
            end=at(hours[1]),
            cause=cause,
        )
        stock.write()


class TestPeak:
    @pytest.mark.parametrize(
        ("taken", "window", "most"),
        [
            ([], (0, 9), 0),
            ([(0, 2, 3), (2, 4, 5)], (0, 4), 5),
            ([(0, 3, 3), (2, 4, 5)], (0, 4), 8),
            ([(0, 3, 3), (2, 4, 5)], (3, 4), 5),
            ([(0, 9, 8)], (9, 10), 0),
            ([(0, 1, 4), (5, 6, 4), (0, 9, 1)], (1, 5), 1),
            ([(2, 4, 3)], (0, 2), 0),
            ([(0, 6, 3), (2, 4, -3), (3, 3, 9)], (2, 4), 0),
            ([(0, 6, 3), (4, 9, 2), (2, 4, -3)], (3, 5), 5),
        ],
    )
    def test_is_the_most_taken_at_any_moment_of_the_window(
        self, taken: list[tuple[int, int, int]], window: tuple[int, int], most: int
    ) -> None:
        stretches = [(at(start), at(end), gpus) for start, end, gpus in taken]
        assert capacity.peak(stretches, at(window[0]), at(window[1])) == most


class TestTaken:
    def test_takes_nothing_over_a_window_that_is_empty(self) -> None:
        taken = capacity.Taken()
        taken.add(at(2), at(2), 3)
        taken.add(at(2), at(1), 3)
        assert taken.peak(at(0), at(9)) == 0

    def test_gives_back_what_was_taken(self) -> None:
        taken = capacity.Taken()
        for start, end, gpus in ((0, 4, 3), (1, 2, 2), (2, 4, -3)):
            taken.add(at(start), at(end), gpus)
        peaks = [taken.peak(at(hour), at(hour + 1)) for hour in range(5)]
        assert peaks == [3, 5, 0, 0, 0]


class TestHold:
    def test_takes_what_is_free_and_refuses_more(self, node: Node, owner: Principal) -> None:
        hold(node, owner, "stock/1", gpus=5, hours=(0, 10))
        with pytest.raises(CapacityTaken) as refusal:
            hold(node, owner, "stock/2", gpus=4, hours=(9, 12))
        assert refusal.value.details["free"] == 3
        hold(node, owner, "stock/3", gpus=4, hours=(10, 12))

    def test_counts_what_was_taken_in_the_same_bulk(self, node: Node, owner: Principal) -> None:
        stock = supply(node)
        window = {"start": at(0), "end": at(1), "account": account(owner)}
        for number in range(2):
            stock.hold(product_id=node.product_id, node_id=node.pk, gpus=4, cause=f"{number}", **window)
        with pytest.raises(CapacityTaken):
            stock.hold(product_id=node.product_id, node_id=node.pk, gpus=1, cause="3", **window)
        stock.write()
        assert GpuHold.objects.count() == 2

    def test_of_a_foreign_node_is_not_found(self, node: Node) -> None:
        with pytest.raises(NodeNotFound):
            hold(node, trader(funds=1), "stock/1", gpus=1, hours=(0, 1))

    def test_is_of_a_node_that_is_locked_and_of_its_product(self, node: Node, owner: Principal) -> None:
        terms = {"account": account(owner), "gpus": 1, "start": at(0), "end": at(1), "cause": "stock/1"}
        stock = supply(node)
        with pytest.raises(NodeNotFound):
            stock.hold(product_id=node.product_id, node_id=node.pk + 1000, **terms)
        with pytest.raises(NodeNotTradable, match="another product"):
            stock.hold(product_id=node.product_id + 1000, node_id=node.pk, **terms)
        stock.write()
        assert not GpuHold.objects.exists()

    def test_of_declared_hardware_needs_a_bond(self, node: Node, owner: Principal) -> None:
        market.fund(namespace_of(owner), 1000)
        market.post_bond(owner, 300)
        declared = market.declare(node)
        with pytest.raises(NodeNotTradable, match=r"needs a bond of 800.00 credits, and 300.00 are posted"):
            hold(declared, owner, "stock/1", gpus=1, hours=(0, 1))
        market.post_bond(owner, 500)
        hold(declared, owner, "stock/1", gpus=1, hours=(0, 1))

    def test_counts_leases_that_no_hold_counts(self, node: Node, owner: Principal) -> None:
        market.lease(node, gpus=5, hours=2)
        stock = supply(node)
        free = [stock.free(node_id=node.pk, start=at(hour), end=at(hour + 1)) for hour in range(3)]
        assert free == [3, 3, 8]

    def test_counts_what_a_lease_gave_back_as_free(self, node: Node, owner: Principal) -> None:
        hold(node, owner, "stock/1", gpus=8, hours=(0, 4))
        sold = market.lease(node, gpus=3, hours=4)
        Lease.objects.filter(pk=sold.pk).update(hold=GpuHold.objects.get(), ends_at=at(1))
        stock = supply(node)
        free = [stock.free(node_id=node.pk, start=at(hour), end=at(hour + 1)) for hour in range(5)]
        assert free == [0, 3, 3, 3, 8]

    def test_of_nothing_is_not_looked_for(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert capacity.find_holds(causes=[]) == {}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"state": "suspended", "state_reason": "It reports other GPUs."}, "other GPUs"),
            ({"is_stale": True}, "silent"),
            ({"last_heartbeat_at": NOON - timedelta(minutes=2)}, "silent"),
            ({"state": "enrolled"}, "enrolled"),
        ],
    )
    def test_of_a_node_that_is_not_tradable_is_refused(
        self, node: Node, owner: Principal, change: dict[str, object], reason: str
    ) -> None:
        Node.objects.filter(pk=node.pk).update(**change)
        with pytest.raises(NodeNotTradable, match=reason):
            hold(node, owner, "stock/1", gpus=1, hours=(0, 1))

    def test_given_back_leaves_the_leases_made_from_it(self, node: Node, owner: Principal) -> None:
        hold(node, owner, "stock/1", gpus=8, hours=(0, 4))
        sold = market.lease(node, gpus=3, hours=2)
        Lease.objects.filter(pk=sold.pk).update(hold=GpuHold.objects.get())
        hold_ids = capacity.find_holds(causes=["stock/1", "stock/9"]).values()
        assert capacity.release(hold_ids=hold_ids, now=NOON).count() == 1
        assert capacity.release(hold_ids=hold_ids, now=NOON).count() == 0
        with pytest.raises(CapacityTaken):
            hold(node, owner, "stock/2", gpus=6, hours=(1, 3))
        hold(node, owner, "stock/3", gpus=5, hours=(0, 2))
        hold(node, owner, "stock/4", gpus=8, hours=(2, 4))

    def test_can_shrink_and_can_grow_into_what_is_free(self, node: Node, owner: Principal) -> None:
        hold(node, owner, "stock/1", gpus=4, hours=(0, 4))
        hold(node, owner, "stock/2", gpus=2, hours=(0, 4))
        capacity.resize(supply=supply(node), cause="stock/1", gpus=6)
        with pytest.raises(CapacityTaken):
            capacity.resize(supply=supply(node), cause="stock/1", gpus=7)
        capacity.resize(supply=supply(node), cause="stock/1", gpus=1)
        assert sorted(GpuHold.objects.values_list("gpus", flat=True)) == [1, 2]

    def test_cannot_be_resized_once_it_is_given_back_or_on_another_node(
        self, node: Node, owner: Principal
    ) -> None:
        hold(node, owner, "stock/1", gpus=4, hours=(0, 4))
        with pytest.raises(NodeNotFound):
            capacity.resize(supply=supply(market.node(owner)), cause="stock/1", gpus=1)
        capacity.release(hold_ids=capacity.find_holds(causes=["stock/1"]).values(), now=NOON)
        with pytest.raises(NodeNotFound):
            capacity.resize(supply=supply(node), cause="stock/1", gpus=1)


class TestHoldOfALease:
    def test_is_for_its_holder_within_what_is_left_of_it(self, node: Node, owner: Principal) -> None:
        holder = trader(funds=1000)
        bought = market.lease(node, holder=holder, gpus=4, hours=6)
        hold(node, holder, "stock/1", gpus=3, hours=(2, 4), of=bought)
        with pytest.raises(CapacityTaken):
            hold(node, holder, "stock/2", gpus=2, hours=(3, 6), of=bought)
        with pytest.raises(WindowOutsideLease):
            hold(node, holder, "stock/3", gpus=1, hours=(5, 7), of=bought)
        with pytest.raises(WindowOutsideLease):
            hold(node, holder, "stock/4", gpus=1, hours=(0, 2), of=bought, now=at(1))
        with pytest.raises(LeaseNotFound):
            hold(node, owner, "stock/5", gpus=1, hours=(1, 2), of=bought)

    def test_grows_only_where_the_lease_is_locked_too(self, node: Node) -> None:
        holder = trader(funds=1000)
        bought = market.lease(node, holder=holder, gpus=4, hours=6)
        hold(node, holder, "stock/1", gpus=2, hours=(2, 4), of=bought)
        with pytest.raises(LeaseNotFound):
            capacity.resize(supply=supply(node), cause="stock/1", gpus=3)
        assert capacity.resize(supply=supply(node), cause="stock/1", gpus=1).gpus == 1
        assert capacity.resize(supply=supply(node, bought), cause="stock/1", gpus=4).gpus == 4
        with pytest.raises(CapacityTaken):
            capacity.resize(supply=supply(node, bought), cause="stock/1", gpus=5)
