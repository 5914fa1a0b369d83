"""The ends of leases: early, by loss, resold, extended; and what each pays back."""

from __future__ import annotations

from datetime import datetime

import pytest

from compute_market.leases import jobs, selectors, services
from compute_market.leases.errors import LeaseNotFound, LeaseOffered, LeaseResold
from compute_market.leases.models import Binding, Lease, Work
from compute_market.leases.states import State
from compute_market.ledger import services as ledger
from compute_market.ledger.models import Transfer
from compute_market.offers.models import GpuHold, Node
from compute_market.offers.services import retire_node
from hub.interface import Principal
from tests.compute_market.leases.lives import GRACE, HOUR, at, balance, live, state
from tests.factories import market
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Principal:
    return trader(funds=100)


@pytest.fixture
def node(owner: Principal) -> Node:
    return market.node(owner, gpus=4)


class TestEarlyEnd:
    def test_gives_back_what_was_not_used_and_frees_the_gpus(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, gpus=4)
        live(node, minutes=(0, 15))
        services.end_early(actor=holder, lease_id=lease.pk, now=at(15))
        live(node, minutes=(15, 17))
        lease.refresh_from_db()
        assert (lease.state, lease.delivered_minutes) == (State.SETTLED, 15)
        assert balance(holder) == 100 * CREDIT - 4 * HOUR // 4
        assert not Binding.objects.filter(ends_at__gt=at(16)).exists()

    def test_before_the_start_gives_everything_back(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, start=at(60))
        services.end_early(actor=holder, lease_id=lease.pk, now=at(5))
        jobs.advance(now=at(6))
        assert state(lease) == State.SETTLED
        assert balance(holder) == 100 * CREDIT

    def test_of_a_foreign_lease_is_not_found(self, node: Node) -> None:
        lease = market.lease(node)
        with pytest.raises(LeaseNotFound):
            services.end_early(actor=trader(), lease_id=lease.pk, now=NOON)

    def test_just_before_its_agent_takes_it_up_owes_the_holder_no_credit(
        self, node: Node, owner: Principal
    ) -> None:
        """Nobody broke it off: who ends a long lease in its first moment takes nothing out of the bond."""
        market.post_bond(owner, 50)
        holder = trader(funds=1000)
        lease = market.lease(node, holder=holder, hours=100)
        jobs.advance(now=at(0.5))
        assert state(lease) == State.PROVISIONING
        services.end_early(actor=holder, lease_id=lease.pk, now=at(0.9))
        jobs.advance(now=at(1) + GRACE)
        assert state(lease) == State.SETTLED
        assert list(lease.events.order_by("pk").values_list("state", flat=True)) == [
            "provisioning",
            "draining",
            "ended",
            "settled",
        ]
        assert (balance(owner, "bond"), balance(holder)) == (50 * CREDIT, 1000 * CREDIT)
        assert not Binding.objects.filter(ends_at__gt=at(1) + GRACE).exists()

    def test_is_given_up_before_a_loss_in_its_last_minute_and_owes_no_credit(
        self, node: Node, owner: Principal
    ) -> None:
        market.post_bond(owner, 50)
        holder = trader(funds=1000)
        lease = market.lease(node, holder=holder, hours=100)
        live(node, minutes=(0, 10))
        services.end_early(actor=holder, lease_id=lease.pk, now=at(10.1))
        retire_node(actor=owner, node_id=node.pk, now=at(10.2))
        jobs.advance(now=at(10.5))
        lease.refresh_from_db()
        assert state(lease) == State.SETTLED
        # The provider owes one minute, and not the hours that the holder had given up.
        assert lease.credited_micros == HOUR // 60 // 10


class TestTheHoldersFee:
    """It stays with the exchange for what was delivered, and for what the holder gave up (ADR 0185)."""

    NOTIONAL = 2 * HOUR
    FEE = NOTIONAL * 10 // 10_000

    def bought(self, node: Node, **terms: datetime) -> tuple[Principal, Lease]:
        holder = trader(funds=1000)
        return holder, market.lease(node, holder=holder, gpus=2, buyer_fee_bps=10, **terms)

    def test_comes_back_whole_if_the_node_is_retired_before_the_start(
        self, node: Node, owner: Principal
    ) -> None:
        holder, lease = self.bought(node, start=at(60))
        assert balance(holder) == 1000 * CREDIT - self.NOTIONAL - self.FEE
        retire_node(actor=owner, node_id=node.pk, now=at(1))
        jobs.advance(now=at(1))
        lease.refresh_from_db()
        assert (lease.state, lease.fee_refunded_micros) == (State.SETTLED, self.FEE)
        assert balance(holder) == 1000 * CREDIT
        told = Transfer.objects.get(kind=Transfer.Kind.FEE_REFUND)
        assert (told.cause, told.amount_micros) == (f"lease/{lease.pk}/refund/fee", self.FEE)

    def test_comes_back_for_the_hours_after_a_loss(self, node: Node) -> None:
        holder, lease = self.bought(node)
        live(node, minutes=(0, 20))
        jobs.advance(now=at(30))
        lease.refresh_from_db()
        assert lease.state == State.SETTLED
        left = 60 - lease.delivered_minutes
        assert left >= 40
        assert lease.fee_refunded_micros == self.FEE * left // 60
        assert balance(holder) == 1000 * CREDIT - lease.used_micros - self.FEE + lease.fee_refunded_micros

    def test_comes_back_for_single_minutes_that_were_not_delivered(self, node: Node) -> None:
        _, lease = self.bought(node)
        live(node, minutes=(0, 20))
        live(node, minutes=(22, 62))
        lease.refresh_from_db()
        assert (lease.state, lease.delivered_minutes) == (State.SETTLED, 58)
        assert lease.fee_refunded_micros == self.FEE * 2 // 60

    def test_comes_back_if_an_operator_reclaims_the_lease(self, node: Node) -> None:
        _, lease = self.bought(node, start=at(60))
        services.reclaim(actor=market.operator(), lease_id=lease.pk, reason="the hall is closed", now=at(5))
        jobs.advance(now=at(6))
        lease.refresh_from_db()
        assert (lease.fee_refunded_micros, lease.credited_micros) == (self.FEE, 0)

    def test_stays_where_the_holder_ended_the_lease(self, node: Node) -> None:
        holder, future = self.bought(node, start=at(600))
        services.end_early(actor=holder, lease_id=future.pk, now=at(0))
        other, running = self.bought(node)
        live(node, minutes=(0, 30))
        services.end_early(actor=other, lease_id=running.pk, now=at(30))
        live(node, minutes=(30, 32))
        for lease in (future, running):
            lease.refresh_from_db()
            assert (lease.state, lease.fee_refunded_micros) == (State.SETTLED, 0)
        assert balance(holder) == 1000 * CREDIT - self.FEE


class TestLoss:
    def test_gives_the_rest_back_with_a_credit_from_the_bond(self, node: Node, owner: Principal) -> None:
        ledger.post_bond(
            actor=owner, namespace_id=namespace_of(owner), amount_micros=50 * CREDIT, key="b", now=NOON
        )
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder)
        live(node, minutes=(0, 30))
        jobs.advance(now=at(32))
        assert state(lease) == State.ACTIVE
        jobs.advance(now=at(33))
        lease.refresh_from_db()
        assert (lease.state, lease.reason) == (State.SETTLED, "its node fell silent")
        assert lease.delivered_minutes == 30
        credit = (HOUR // 2) // 10
        assert lease.credited_micros == credit
        assert balance(holder) == 100 * CREDIT - HOUR // 2 + credit
        assert balance(owner, "bond") == 50 * CREDIT - credit

    def test_without_a_bond_gives_the_rest_back(self, node: Node) -> None:
        holder = trader(funds=100)
        market.lease(node, holder=holder)
        jobs.advance(now=at(1))
        jobs.advance(now=at(4))
        assert balance(holder) == 100 * CREDIT


class TestRetiredNode:
    def test_loses_its_leases_at_once_with_the_credit_and_tells_the_holders(
        self, node: Node, owner: Principal
    ) -> None:
        namespace_id = namespace_of(owner)
        ledger.post_bond(actor=owner, namespace_id=namespace_id, amount_micros=50 * CREDIT, key="b", now=NOON)
        elsewhere = market.lease(market.node(owner), start=at(600))
        running, coming = trader(funds=100), trader(funds=100)
        first = market.lease(node, holder=running)
        second = market.lease(node, holder=coming, gpus=2, start=at(60 * 24 * 30))
        live(node, minutes=(0, 15))
        retire_node(actor=owner, node_id=node.pk, now=at(15))
        jobs.advance(now=at(15) + GRACE)
        for lease in (first, second):
            assert state(lease) == State.SETTLED
            told = lease.events.get(state=State.LOST)
            assert told.reason == "its provider retired the node"
        unused = HOUR * 45 // 60
        assert balance(running) == 100 * CREDIT - HOUR + unused + unused // 10
        assert balance(coming) == 100 * CREDIT + 2 * HOUR // 10
        assert state(elsewhere) == State.PENDING
        jobs.advance(now=at(16))
        assert balance(coming) == 100 * CREDIT + 2 * HOUR // 10


class TestResale:
    def test_of_a_part_takes_its_gpus_when_its_time_comes(self, node: Node) -> None:
        lease = market.lease(node, gpus=4, hours=2)
        part = market.lease(node, gpus=1, start=at(60), parent=lease)
        live(node, minutes=(0, 60))
        assert {job.lease: job.gpus for job in selectors.assignments(node=node, now=at(59))} == {
            lease: [0, 1, 2, 3]
        }
        live(node, minutes=(60, 62))
        assert {job.lease: job.gpus for job in selectors.assignments(node=node, now=at(61))} == {
            lease: [0, 1, 2],
            part: [3],
        }

    def test_is_lost_once_with_the_lease_it_is_a_part_of(self, node: Node) -> None:
        lease = market.lease(node, gpus=4)
        part = market.lease(node, gpus=1, parent=lease)
        live(node, minutes=(0, 3))
        assert jobs.lose_leases(now=at(30)) == 1
        assert (state(lease), state(part)) == (State.LOST, State.LOST)
        assert (
            part.events.get(state=State.LOST).reason == f"lease {lease.pk}, of which it was a part, is lost"
        )
        jobs.settle_leases(now=at(30))

    def test_of_a_part_pays_the_seller_and_both_leases_are_metered(
        self, node: Node, owner: Principal
    ) -> None:
        first, second = trader(funds=100), trader(funds=100)
        lease = market.lease(node, holder=first, gpus=4, seller_fee_bps=0)
        part = market.lease(node, holder=second, gpus=1, price=2 * HOUR, seller_fee_bps=0, parent=lease)
        live(node, minutes=(0, 30))
        assert [len(job.gpus) for job in selectors.assignments(node=node, now=at(30))] == [3, 1]
        live(node, minutes=(30, 63))
        assert (state(lease), state(part)) == (State.SETTLED, State.SETTLED)
        assert balance(owner) == 100 * CREDIT + 4 * HOUR
        assert balance(first) == 100 * CREDIT - 4 * HOUR + 2 * HOUR
        assert balance(second) == 100 * CREDIT - 2 * HOUR

    def test_of_the_whole_leaves_a_lease_that_is_sold(self, node: Node) -> None:
        lease = market.lease(node, gpus=2, hours=2)
        live(node, minutes=(0, 60))
        part = market.lease(node, gpus=2, start=at(60), parent=lease)
        live(node, minutes=(60, 62))
        assert (state(lease), state(part)) == (State.SOLD, State.ACTIVE)
        live(node, minutes=(62, 123))
        lease.refresh_from_db()
        assert (lease.state, lease.delivered_minutes) == (State.SETTLED, 120)

    def test_forbids_an_early_end(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, gpus=4)
        market.lease(node, gpus=1, parent=lease)
        live(node, minutes=(0, 2))
        with pytest.raises(LeaseResold):
            services.end_early(actor=holder, lease_id=lease.pk, now=at(2))

    def test_that_is_only_offered_is_named_where_it_forbids_an_early_end(self, node: Node) -> None:
        holder = trader(funds=100)
        lease = market.lease(node, holder=holder, gpus=4)
        for name in ("my/first", "second"):
            GpuHold.objects.create(
                node=node, lease_number=lease.pk, gpus=1, starts_at=at(0), ends_at=at(60),
                cause=f"order/{lease.holder_id}/{name}", created_at=at(0),
            )  # fmt: skip
        with pytest.raises(LeaseOffered, match=r"orders my/first, second\."):
            services.end_early(actor=holder, lease_id=lease.pk, now=at(2))
        GpuHold.objects.all().delete()

    def test_falls_with_the_lease_it_is_a_part_of(self, node: Node) -> None:
        lease = market.lease(node, gpus=4)
        part = market.lease(node, gpus=1, parent=lease)
        live(node, minutes=(0, 5))
        services.reclaim(actor=market.operator(), lease_id=lease.pk, reason="abuse", now=at(5))
        jobs.advance(now=at(6))
        assert (state(lease), state(part)) == (State.SETTLED, State.SETTLED)

    def test_made_in_the_moment_in_which_the_lease_broke_is_paid_back(self, node: Node) -> None:
        lease = market.lease(node, gpus=4, hours=3)
        live(node, minutes=(0, 5))
        services.reclaim(actor=market.operator(), lease_id=lease.pk, reason="abuse", now=at(5))
        buyer = trader(funds=100)
        part = market.lease(node, holder=buyer, gpus=1, start=at(60), parent=lease)
        jobs.advance(now=at(6))
        assert state(part) == State.SETTLED
        assert balance(buyer) == 100 * CREDIT


class TestExtension:
    def test_carries_the_work_on_without_a_stop(self, node: Node) -> None:
        holder = trader(funds=1000)
        market.lease(node, gpus=3)
        lease = market.lease(node, holder=holder, gpus=1)
        live(node, minutes=(0, 2))
        work = services.run_work(actor=holder, lease_id=lease.pk, command=["train"], now=at(2))
        services.report_work(node=node, token=work.token, state="running", now=at(2))
        longer = market.lease(node, holder=holder, gpus=1, start=at(60))
        (job,) = [job for job in selectors.assignments(node=node, now=at(3)) if job.work]
        gpus = job.gpus
        assert job.run_until == at(120)
        live(node, minutes=(2, 63))
        (job,) = [job for job in selectors.assignments(node=node, now=at(63)) if job.work]
        assert (job.lease, job.work, job.gpus) == (longer, work, gpus)
        assert (state(lease), state(longer)) == (State.SETTLED, State.ACTIVE)
        assert Work.objects.get().state == Work.State.RUNNING
