"""Leases from their trade to their settlement, as the sweep moves them."""

from __future__ import annotations

from graphlib import TopologicalSorter
from uuid import uuid4

import pytest

from compute_market.leases import jobs, services
from compute_market.leases.errors import LeaseNotFound, NoticeTooShort, StaleToken
from compute_market.leases.models import Binding, Lease, UsageSample
from compute_market.leases.states import NEXT, State
from compute_market.ledger import services as ledger
from compute_market.offers.models import HardwareReport, Heartbeat, Node
from compute_market.offers.services import hear
from hub.interface import Principal
from tests.compute_market.leases.lives import GRACE, HOUR, at, balance, live, serve, state
from tests.factories import market
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Principal:
    return trader(funds=100)


@pytest.fixture
def node(owner: Principal) -> Node:
    return market.node(owner, gpus=4)


class TestTheTable:
    def test_ends_every_path_in_settled(self) -> None:
        assert set(NEXT) == set(State)
        # Raises CycleError if a path leads back to where it began.
        order = list(TopologicalSorter(NEXT).static_order())
        assert sorted(order) == sorted(State)
        assert [state for state in State if not NEXT[state]] == [State.SETTLED]


class TestWholeLife:
    def test_from_trade_to_settlement_pays_the_provider_for_every_minute(
        self, node: Node, owner: Principal
    ) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, gpus=2)
        live(node, minutes=(0, 62))
        assert state(lease) == State.SETTLED
        lease.refresh_from_db()
        assert (lease.delivered_minutes, lease.used_micros, lease.refunded_micros) == (60, 2 * HOUR, 0)
        fee = 2 * HOUR * 10 // 10_000
        assert balance(owner) == 100 * CREDIT + 2 * HOUR - fee
        assert balance(holder) == 100 * CREDIT - 2 * HOUR
        assert UsageSample.objects.filter(lease=lease, is_delivered=True).count() == 60
        assert list(lease.events.order_by("pk").values_list("state", flat=True)) == [
            "provisioning",
            "active",
            "draining",
            "ended",
            "settled",
        ]

    def test_waits_for_its_start_and_then_binds_gpus(self, node: Node) -> None:
        lease = market.lease(node, gpus=3, start=at(30))
        live(node, minutes=(0, 30))
        assert state(lease) == State.PENDING
        assert not Binding.objects.exists()
        live(node, minutes=(30, 32))
        assert state(lease) == State.ACTIVE
        assert sorted(Binding.objects.values_list("gpu", flat=True)) == [0, 1, 2]

    def test_jobs_run_twice_do_nothing_more(self, node: Node, owner: Principal) -> None:
        market.lease(node)
        live(node, minutes=(0, 62))
        money, samples = balance(owner), UsageSample.objects.count()
        for _ in range(3):
            jobs.advance(now=at(62) + GRACE)
        assert (balance(owner), UsageSample.objects.count()) == (money, samples)

    def test_is_paid_by_the_hour_while_it_runs(self, node: Node, owner: Principal) -> None:
        lease = market.lease(node, hours=3)
        live(node, minutes=(0, 90))
        lease.refresh_from_db()
        assert (lease.used_micros, lease.paid_micros) == (89 * HOUR // 60, HOUR)
        assert balance(owner) == 100 * CREDIT + HOUR - 3 * HOUR * 10 // 10_000


class TestAMinuteWithoutHeartbeat:
    def test_is_not_paid_for(self, node: Node) -> None:
        lease = market.lease(node)
        live(node, minutes=(0, 20))
        live(node, minutes=(22, 62))
        lease.refresh_from_db()
        assert lease.delivered_minutes == 58
        assert lease.refunded_micros == 2 * HOUR // 60


class TestWorkThatWaits:
    """Delivery is proved by the work: minutes that a queued command waits all through are not billed."""

    @staticmethod
    def heard(node: Node, minutes: tuple[int, int]) -> None:
        """The node's agent is heard, and does nothing else; nor does the sweep."""
        for minute in range(*minutes):
            hear(node=node, runners=["fake"], now=at(minute) + GRACE)

    def begun(self, node: Node, holder: Principal) -> Lease:
        """A lease of an hour that is active, its node heard all the time."""
        lease = market.lease(node, holder=holder)
        live(node, minutes=(0, 1))
        self.heard(node, (1, 61))
        return lease

    @staticmethod
    def settled(lease: Lease) -> Lease:
        jobs.advance(now=at(62) + GRACE)
        lease.refresh_from_db()
        assert lease.state == State.SETTLED
        return lease

    def test_is_not_paid_for_until_its_start_is_reported(self, node: Node, owner: Principal) -> None:
        holder = trader(funds=100)
        lease = self.begun(node, holder)
        work = market.run(lease, holder, "train", now=at(10.5))
        services.report_work(node=node, token=work.token, state="running", now=at(25.5))
        self.settled(lease)
        # It was asked for within minute 10 and began within minute 25: those two count.
        waited = set(UsageSample.objects.filter(is_delivered=False).values_list("minute", flat=True))
        assert waited == {at(minute) for minute in range(11, 25)}
        assert (lease.delivered_minutes, lease.refunded_micros) == (46, 14 * HOUR // 60)
        assert balance(owner) == 100 * CREDIT + lease.used_micros - lease.seller_fee_micros

    def test_that_begins_at_once_costs_nobody_a_minute(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = self.begun(node, holder)
        # Across the edge of a minute, as it may well happen; and one that was over when it was first told.
        work = market.run(lease, holder, "a", now=at(9.99))
        services.report_work(node=node, token=work.token, state="running", now=at(10.05))
        services.report_work(node=node, token=work.token, state="exited", exit_code=0, now=at(10.1))
        work = market.run(lease, holder, "b", now=at(10.2))
        services.report_work(node=node, token=work.token, state="exited", exit_code=0, now=at(11.9))
        assert self.settled(lease).delivered_minutes == 60

    @pytest.mark.parametrize("withdrawn", [True, False])
    def test_that_is_never_taken_up_is_free_while_it_is_asked_for(self, node: Node, withdrawn: bool) -> None:
        holder = trader(funds=100)
        lease = self.begun(node, holder)
        market.run(lease, holder, "train", now=at(10))
        if withdrawn:
            services.stop_work(actor=holder, lease_id=lease.pk, now=at(30))
        jobs.advance(now=at(61) + GRACE)
        assert self.settled(lease).delivered_minutes == (40 if withdrawn else 10)

    def test_is_metered_the_same_however_often_and_late(self, node: Node) -> None:
        holder = trader(funds=200)
        idle = market.lease(node, holder=holder)
        lease = self.begun(node, holder)
        work = market.run(lease, holder, "train", now=at(10))
        jobs.meter_leases(now=at(15) + GRACE)
        services.report_work(node=node, token=work.token, state="running", now=at(20))
        for _ in range(3):
            jobs.meter_leases(now=at(30) + GRACE)
        for found, delivered in ((lease, 20), (idle, 30)):
            found.refresh_from_db()
            assert (found.delivered_minutes, found.metered_through) == (delivered, at(30))

    def test_waits_in_the_lease_that_is_extended_as_well(self, node: Node) -> None:
        holder = trader(funds=200)
        lease = self.begun(node, holder)
        market.run(lease, holder, "train", now=at(50))
        longer = market.lease(node, holder=holder, start=at(60))
        live(node, minutes=(60, 62))
        self.heard(node, (62, 65))
        jobs.meter_leases(now=at(65) + GRACE)
        assert self.settled(lease).delivered_minutes == 50
        longer.refresh_from_db()
        assert (longer.delivered_minutes, longer.metered_through) == (0, at(65))


class TestProvisioning:
    def test_that_no_agent_takes_up_fails_and_costs_nothing(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder)
        live(node, minutes=(0, 7), take_up=False)
        lease.refresh_from_db()
        assert (lease.state, lease.used_micros) == (State.SETTLED, 0)
        assert balance(holder) == 100 * CREDIT
        assert lease.events.filter(state=State.PROVISION_FAILED).exists()

    def test_late_bills_from_when_it_was_taken_up(self, node: Node) -> None:
        lease = market.lease(node)
        live(node, minutes=(0, 3), take_up=False)
        live(node, minutes=(3, 62))
        lease.refresh_from_db()
        assert (lease.state, lease.delivered_minutes) == (State.SETTLED, 57)

    def test_reported_under_a_stale_token_is_refused(self, node: Node) -> None:
        lease = market.lease(node)
        jobs.advance(now=at(1))
        with pytest.raises(StaleToken):
            services.take_up(node=node, lease_id=lease.pk, token=uuid4(), now=at(1))
        with pytest.raises(LeaseNotFound):
            services.take_up(node=market.node(gpus=1), lease_id=lease.pk, token=uuid4(), now=at(1))

    def test_of_a_lease_nobody_started_in_all_its_time_is_paid_back(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder)
        jobs.advance(now=at(90))
        assert state(lease) == State.SETTLED
        assert balance(holder) == 100 * CREDIT


class TestPreemption:
    def test_comes_after_its_notice_and_costs_the_bond(self, node: Node, owner: Principal) -> None:
        ledger.post_bond(
            actor=owner, namespace_id=namespace_of(owner), amount_micros=50 * CREDIT, key="b", now=NOON
        )
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder)
        live(node, minutes=(0, 10))
        with pytest.raises(NoticeTooShort):
            services.give_notice(
                actor=owner, lease_id=lease.pk, preempt_at=at(12), reason="repair", now=at(10)
            )
        with pytest.raises(LeaseNotFound):
            services.give_notice(
                actor=holder, lease_id=lease.pk, preempt_at=at(20), reason="mine", now=at(10)
            )
        services.give_notice(actor=owner, lease_id=lease.pk, preempt_at=at(20), reason="repair", now=at(10))
        live(node, minutes=(10, 22))
        lease.refresh_from_db()
        assert (lease.state, lease.reason, lease.delivered_minutes) == (State.SETTLED, "repair", 20)
        assert lease.credited_micros == (HOUR * 40 // 60) // 10

    def test_costs_the_bond_as_well_if_the_holder_leaves_upon_the_notice(
        self, node: Node, owner: Principal
    ) -> None:
        market.post_bond(owner, 50)
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, hours=2, buyer_fee_bps=100)
        live(node, minutes=(0, 10))
        services.give_notice(actor=owner, lease_id=lease.pk, preempt_at=at(60.5), reason="repair", now=at(10))
        services.end_early(actor=holder, lease_id=lease.pk, now=at(30))
        live(node, minutes=(10, 32))
        lease.refresh_from_db()
        assert (lease.state, lease.delivered_minutes) == (State.SETTLED, 30)
        # Minutes 61 to 120 were taken from the holder by the notice; 30 to 61 were given up.
        assert lease.given_up_micros == 31 * HOUR // 60
        assert lease.credited_micros == 59 * (HOUR // 60) // 10
        assert lease.fee_refunded_micros == lease.buyer_fee_micros * 59 // 120

    def test_by_an_operator_costs_no_credit(self, node: Node) -> None:
        lease = market.lease(node)
        live(node, minutes=(0, 10))
        services.reclaim(actor=market.operator(), lease_id=lease.pk, reason="abuse", now=at(10))
        jobs.advance(now=at(11))
        lease.refresh_from_db()
        assert (lease.state, lease.credited_micros, lease.delivered_minutes) == (State.SETTLED, 0, 10)


class TestGpus:
    def test_are_enough_for_every_lease_however_they_were_traded(self, node: Node) -> None:
        """GPUs fixed at the trade would leave no gap for the last of these on a node of two."""
        small = market.node(gpus=2)
        for start, hours in ((0, 1), (2, 1), (1, 1), (0, 3)):
            market.lease(small, start=at(60 * start), hours=hours)
        for minute in range(0, 180, 20):
            now = at(minute)
            Heartbeat.objects.get_or_create(node=small, minute=now)
            Node.objects.filter(pk=small.pk).update(last_heartbeat_at=now)
            jobs.advance(now=now)
            serve(small, now)
            held = Binding.objects.filter(node=small, starts_at__lte=now, ends_at__gt=now)
            assert held.count() == 2

    def test_are_bound_once_by_the_database_itself(self, node: Node) -> None:
        from django.db import IntegrityError, connection, transaction

        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer, which checks under the node's lock.")
        lease = market.lease(node)
        window = {"node": node, "gpu": 1, "starts_at": at(0), "ends_at": at(60)}
        Binding.objects.create(lease=lease, **window)
        with pytest.raises(IntegrityError, match="binding_gpu_once"), transaction.atomic():
            Binding.objects.create(lease=lease, **window | {"starts_at": at(59), "ends_at": at(70)})
        Binding.objects.create(lease=lease, **window | {"starts_at": at(60), "ends_at": at(70)})

    def test_are_given_once_when_two_sweeps_cross(self, node: Node) -> None:
        """The one with the earlier time may get the node's lock last."""
        lease = market.lease(node, gpus=2)
        jobs.start_on_node(node_id=node.pk, now=at(1))
        jobs.start_on_node(node_id=node.pk, now=at(0.5))
        assert sorted(Binding.objects.filter(lease=lease).values_list("gpu", flat=True)) == [0, 1]

    @pytest.mark.breaks_the_books  # the reports have indexes alone, and claim no devices
    def test_are_those_that_the_node_reported(self, node: Node) -> None:
        for devices, is_accepted in (([1, 3, 5, 7], True), ([0, 1, 2, 3], False)):
            HardwareReport.objects.create(
                node=node,
                method="nvml",
                devices=[{"index": index} for index in reversed(devices)],
                host={},
                is_accepted=is_accepted,
                received_at=NOON,
            )
        market.lease(node, gpus=2)
        jobs.start_leases(now=NOON)
        assert sorted(Binding.objects.values_list("gpu", flat=True)) == [1, 3]

    def test_given_back_in_the_moment_in_which_they_were_bound_were_never_bound(self, node: Node) -> None:
        lease = market.lease(node, gpus=2)
        jobs.start_leases(now=NOON)
        assert Binding.objects.count() == 2
        services.reclaim(actor=market.operator(), lease_id=lease.pk, reason="abuse", now=NOON)
        assert not Binding.objects.exists()
