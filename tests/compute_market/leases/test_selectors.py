"""The leases that an actor sees, their commands and output, and the earnings of an account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from compute_market.leases import jobs, selectors, services
from compute_market.leases.errors import LeaseNotFound, WorkNotFound
from compute_market.leases.models import JoinedFill, Lease, LeaseTraffic, LogChunk, Work
from compute_market.leases.selectors import Earnings
from compute_market.ledger import budgets
from compute_market.ledger.errors import TradeScopeMissing
from compute_market.ledger.models import TokenPurchase
from compute_market.offers.models import Node
from foundation.errors import Unauthenticated
from hub.accounts.principals import ANONYMOUS
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import CREDIT, NOON, trader

pytestmark = pytest.mark.django_db

HOUR = 6 * CREDIT


@pytest.fixture
def provider() -> Principal:
    return trader(funds=100)


@pytest.fixture
def node(provider: Principal) -> Node:
    return market.node(provider)


@pytest.fixture
def holder() -> Principal:
    return trader(funds=1000)


@pytest.fixture
def lease(node: Node, holder: Principal) -> Lease:
    return market.lease(node, holder=holder)


def running(node: Node, lease: Lease) -> None:
    """The lease's time has come, and the node's agent has taken it up."""
    jobs.start_leases(now=NOON)
    lease.refresh_from_db()
    assert lease.token is not None
    services.take_up(node=node, lease_id=lease.pk, token=lease.token, now=NOON)


class TestLeases:
    def test_are_seen_by_holder_seller_and_provider_newest_first(
        self, lease: Lease, holder: Principal, provider: Principal, node: Node
    ) -> None:
        buyer = trader(funds=1000)
        part = market.lease(node, holder=buyer, parent=lease)
        assert [*selectors.leases(actor=holder)] == [part, lease]
        assert [*selectors.leases(actor=provider)] == [part, lease]
        assert [*selectors.leases(actor=buyer)] == [part]
        assert [*selectors.leases(actor=trader())] == []

    def test_of_a_capped_token_are_those_that_it_bought(self, node: Node) -> None:
        capped = trader(funds=1000, scopes=("deploy",))
        bought, other = market.lease(node, holder=capped), market.lease(node, holder=capped)
        with transaction.atomic():
            budget = budgets.lock_budget(capped)
        assert budget is not None
        assert bought.order_number is not None
        TokenPurchase.objects.create(budget=budget, order_number=bought.order_number)
        assert [*selectors.leases(actor=capped)] == [*selectors.held_leases(actor=capped)] == [bought]
        with pytest.raises(LeaseNotFound):
            selectors.get_held_lease(actor=capped, lease_id=other.pk)

    def test_need_a_scope_of_the_market(self) -> None:
        with pytest.raises(TradeScopeMissing):
            selectors.leases(actor=trader(scopes=("write",)))
        with pytest.raises(Unauthenticated):
            selectors.leases(actor=ANONYMOUS)

    def test_are_found_by_who_sees_holds_or_supplies_them(
        self, lease: Lease, holder: Principal, provider: Principal
    ) -> None:
        get, get_held, get_supplied = (
            selectors.get_lease,
            selectors.get_held_lease,
            selectors.get_supplied_lease,
        )
        for actor, ways in (
            (holder, {get, get_held}),
            (provider, {get, get_supplied}),
            (trader(), set()),
        ):
            for way in (get, get_held, get_supplied):
                if way in ways:
                    assert way(actor=actor, lease_id=lease.pk) == lease
                else:
                    with pytest.raises(LeaseNotFound):
                        way(actor=actor, lease_id=lease.pk)

    def test_of_an_order_are_those_of_its_holder(
        self, lease: Lease, holder: Principal, provider: Principal, node: Node
    ) -> None:
        market.lease(node, holder=holder)
        order = lease.order_number
        assert order is not None
        assert [*selectors.leases_of_order(actor=holder, order_id=order)] == [lease]
        assert [*selectors.leases_of_order(actor=provider, order_id=order)] == []

    def test_of_trades_are_those_they_made_or_joined(self, lease: Lease) -> None:
        JoinedFill.objects.create(lease=lease, trade_number=987_654, gpus=1)
        first = lease.trade_number
        assert selectors.leases_of_trades([first, 987_654, 1_234_567]) == {first: lease.pk, 987_654: lease.pk}
        assert selectors.leases_of_trades([]) == {}
        JoinedFill.objects.all().delete()


@pytest.mark.breaks_the_books
class TestEarnings:
    def test_of_nobody_are_zeros(self) -> None:
        assert selectors.earnings(seller_id=None) == Earnings(0, 0, 0, 0)

    def test_are_what_was_paid_after_fees_and_what_is_due(self, lease: Lease, node: Node) -> None:
        other = market.lease(node)
        fee = lease.seller_fee_micros
        assert fee == HOUR // 1000
        for one, used, paid in ((lease, HOUR, HOUR // 2), (other, HOUR // 60, fee - 1)):
            Lease.objects.filter(pk=one.pk).update(delivered_minutes=10, used_micros=used, paid_micros=paid)
        assert selectors.earnings(seller_id=lease.seller_id) == Earnings(
            leases=2,
            delivered_minutes=20,
            paid_micros=HOUR // 2 - fee,
            due_micros=HOUR // 2 + HOUR // 60 - fee + 1,
        )
        assert selectors.earnings(seller_id=lease.holder_id).leases == 0
        earned = [selectors.earned_micros(Lease.objects.get(pk=one.pk)) for one in (lease, other)]
        assert earned == [HOUR // 2 - fee, 0]


class TestWorks:
    def test_are_the_newest_of_each_lease_that_the_actor_holds(
        self, lease: Lease, holder: Principal, provider: Principal, node: Node
    ) -> None:
        idle = market.lease(node, holder=holder)
        foreign = market.lease(node, holder=trader(funds=1000))
        with pytest.raises(WorkNotFound):
            selectors.newest_work(lease)
        running(node, lease)
        first = market.run(lease, holder, "a")
        services.report_work(node=node, token=first.token, state="exited", now=NOON)
        second = market.run(lease, holder, "b")
        assert selectors.newest_work(lease) == second
        leases = [lease, idle, foreign]
        assert selectors.newest_works(actor=holder, leases=leases) == {lease.pk: second}
        assert selectors.newest_works(actor=holder, leases=[idle]) == {}
        assert selectors.newest_works(actor=provider, leases=leases) == {}


class TestTraffic:
    def test_is_none_before_anything_was_counted(self, lease: Lease) -> None:
        assert selectors.traffic_of(lease.pk) is None
        counted = LeaseTraffic.objects.create(lease=lease, bytes_in=1, counted_at=NOON)
        assert selectors.traffic_of(lease.pk) == counted


class TestReadLog:
    def test_is_read_a_page_at_a_time(
        self, lease: Lease, holder: Principal, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "LOG_PAGE_BYTES", 10)
        running(node, lease)
        work = market.run(lease, holder, "a")
        for number in range(3):
            LogChunk.objects.create(
                work=work, offset=5 * number, text=f"{number}" * 5, size=5, received_at=NOON
            )
        assert selectors.read_log(work) == ("0000011111", 10)
        assert selectors.read_log(work, after=10) == ("22222", 15)
        assert selectors.read_log(work, after=15) == ("", 15)
        LogChunk.objects.filter(offset=0).delete()
        assert selectors.read_log(work) == ("1111122222", 15)


class TestAssignments:
    def test_are_those_that_have_begun_and_can_be_used(
        self, lease: Lease, holder: Principal, node: Node
    ) -> None:
        market.lease(node, holder=holder, start=lease.ends_at)
        assert selectors.assignments(node=node, now=NOON) == []
        running(node, lease)
        [job] = selectors.assignments(node=node, now=NOON)
        assert (job.lease, job.gpus, job.work, job.run_until) == (
            lease,
            [0],
            None,
            lease.ends_at + timedelta(hours=1),
        )
        assert selectors.assignments(node=node, now=NOON - timedelta(seconds=1)) == []
        assert selectors.assignments(node=node, now=lease.ends_at) == []
        assert selectors.assignments(node=market.node(), now=NOON) == []

    def test_run_until_the_next_lease_of_the_same_size_ends(self, lease: Lease, holder: Principal) -> None:
        node = lease.node
        market.lease(node, holder=holder, start=lease.ends_at, gpus=2)
        market.lease(node, holder=trader(funds=100), start=lease.ends_at)
        market.lease(node, holder=holder, start=lease.ends_at + timedelta(minutes=1))
        assert selectors.run_until(lease) == lease.ends_at
        following = market.lease(node, holder=holder, start=lease.ends_at)
        assert selectors.run_until(lease) == following.ends_at
        lease.agreed_end_at = following.ends_at
        assert selectors.run_until(lease) == lease.ends_at, "a lease that was cut short is not extended"


def test_work_that_is_open_is_what_an_agent_is_given(lease: Lease, holder: Principal, node: Node) -> None:
    running(node, lease)
    work = market.run(lease, holder, "a")
    assert [job.work for job in selectors.assignments(node=node, now=NOON)] == [work]
    Work.objects.update(state=Work.State.EXITED)
    assert [job.work for job in selectors.assignments(node=node, now=NOON)] == [None]
