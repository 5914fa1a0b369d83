"""Public information about a provider: its bond, and the outcome of its leases of the last 30 days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from compute_market.leases.models import Lease, LeaseEvent
from compute_market.leases.suppliers import LOOKED_BACK, Supplier, suppliers
from compute_market.offers.models import Node, Provider
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import CREDIT, NOON, post_bond, trader

# Leases are put into the state in which they are looked at, without the steps and the money that lead there.
pytestmark = [pytest.mark.django_db, pytest.mark.breaks_the_books]

LATER = NOON + timedelta(days=2)


@pytest.fixture
def owner() -> Principal:
    return trader("acme", funds=100)


@pytest.fixture
def node(owner: Principal) -> Node:
    return market.node(owner)


def supplied(node: Node, *, now: datetime = LATER) -> Supplier:
    return suppliers([node.provider_id], now=now)[node.provider_id]


def past(node: Node, *, delivered: int, broken: str = "", **changes: Any) -> Lease:
    """An hour from noon on that is over, of which so many minutes were delivered."""
    parent = changes.pop("parent", None)
    lease = market.lease(node, start=changes.pop("start", NOON), parent=parent)
    values = {"over_at": lease.ends_at, "delivered_minutes": delivered, "opened_at": NOON} | changes
    Lease.objects.filter(pk=lease.pk).update(**values)
    if broken:
        LeaseEvent.objects.create(lease=lease, state=broken, at=NOON)
    return lease


class TestSuppliers:
    def test_of_nobody_asks_nothing(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert suppliers([], now=NOON) == {}

    def test_without_leases_have_a_name_and_a_bond(self, node: Node, owner: Principal) -> None:
        nothing = Supplier("acme", False, 0, 0, 0, 0, 0)
        assert supplied(node) == nothing
        assert nothing.delivered_percent is None
        post_bond(owner, 5)
        Provider.objects.update(is_demo=True)
        assert supplied(node) == Supplier("acme", True, 5 * CREDIT, 0, 0, 0, 0)

    def test_are_asked_for_in_three_statements_however_many(self, django_assert_num_queries: Any) -> None:
        nodes = [market.node(trader(f"p{number}")) for number in range(3)]
        for number, node in enumerate(nodes):
            for _ in range(number):
                past(node, delivered=60)
        market.node(trader("other"))
        with django_assert_num_queries(3):
            found = suppliers([node.provider_id for node in nodes], now=LATER)
        assert {pk: (one.name, one.leases) for pk, one in found.items()} == {
            node.provider_id: (f"p{number}", number) for number, node in enumerate(nodes)
        }

    def test_sold_the_agreed_hours_and_delivered_some_of_them(self, node: Node) -> None:
        past(node, delivered=60)
        past(node, delivered=39)
        found = supplied(node)
        assert (found.leases, found.sold_minutes, found.delivered_minutes) == (2, 120, 99)
        assert (found.broken_leases, found.delivered_percent) == (0, 82.5)

    def test_sold_no_more_than_the_holder_kept_and_all_that_they_broke(self, node: Node) -> None:
        past(node, delivered=20, ends_at=NOON + timedelta(minutes=20))
        assert (supplied(node).sold_minutes, supplied(node).delivered_percent) == (20, 100.0)
        past(node, delivered=20, ends_at=NOON + timedelta(minutes=20), broken="lost")
        assert (supplied(node).sold_minutes, supplied(node).broken_leases) == (80, 1)

    @pytest.mark.parametrize(
        ("state", "broken"),
        [("lost", 1), ("preempted", 1), ("provision_failed", 1), ("ended", 0), ("reclaimed", 0)],
    )
    def test_broke_what_ended_by_their_fault(self, node: Node, state: str, broken: int) -> None:
        past(node, delivered=0, broken=state)
        assert supplied(node).broken_leases == broken

    @pytest.mark.parametrize(("seconds", "sold"), [(-1, 60), (0, 60), (1, 59), (59, 59), (60, 60)])
    def test_did_not_sell_a_first_minute_that_had_begun(self, node: Node, seconds: int, sold: int) -> None:
        past(node, delivered=59, opened_at=NOON + timedelta(seconds=seconds))
        assert supplied(node).sold_minutes == sold

    def test_are_not_counted_twice_for_what_a_holder_sold_on(self, node: Node) -> None:
        whole = past(node, delivered=60)
        past(node, delivered=60, parent=whole)
        assert (supplied(node).leases, supplied(node).sold_minutes) == (1, 60)

    def test_are_known_by_leases_that_were_over_in_the_last_thirty_days(self, node: Node) -> None:
        over = NOON + timedelta(hours=1)
        past(node, delivered=60)
        market.lease(node)
        assert supplied(node, now=over + LOOKED_BACK - timedelta(seconds=1)).leases == 1
        assert supplied(node, now=over + LOOKED_BACK).leases == 0
