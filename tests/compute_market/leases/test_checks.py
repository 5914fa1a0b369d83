"""The audit of leases finds each thing that must never happen, and says where."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from compute_market.leases import checks
from compute_market.leases.models import Binding, Lease, LeaseEvent, UsageSample
from compute_market.leases.states import State
from compute_market.ledger.models import Account, Transfer
from compute_market.offers.models import GpuHold
from tests.factories import market
from tests.factories.market import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_the_books]


@pytest.fixture
def lease() -> Lease:
    return market.lease(market.node(gpus=4), gpus=2, buyer_fee_bps=10)


class TestAudit:
    def test_finds_nothing_in_right_books(self, lease: Lease) -> None:
        assert checks.audit() == []
        assert checks.audit(now=lease.ends_at) == []

    def test_finds_gpus_that_are_promised_twice(self, lease: Lease) -> None:
        Lease.objects.update(gpus=5)
        assert (
            f"5 of the 4 GPUs of node {lease.node_id} (lease None) are promised at one time."
            in checks.audit()
        )

    def test_finds_gpus_of_a_lease_that_are_sold_on_twice(self, lease: Lease) -> None:
        for gpus in (2, 1):
            part = market.lease(lease.node, gpus=gpus, parent=lease)
        assert checks.audit() == [
            f"3 of the 2 GPUs of node {lease.node_id} (lease {lease.pk}) are promised at one time."
        ]
        # The parts of a lease that is over are no promises.
        Lease.objects.filter(pk=part.pk).update(gpus=2)
        LeaseEvent.objects.create(lease=lease, state=State.RECLAIMED, at=NOON)
        Lease.objects.filter(pk=lease.pk).update(state=State.RECLAIMED)
        assert checks.audit() == []

    def test_counts_holds_less_what_their_leases_gave_back(self, lease: Lease) -> None:
        hold = GpuHold.objects.create(
            node=lease.node,
            gpus=4,
            starts_at=NOON,
            ends_at=lease.ends_at,
            cause="order/1",
            created_at=NOON,
        )
        Lease.objects.update(hold=hold)
        assert checks.audit() == []
        half = NOON + timedelta(minutes=30)
        other = market.lease(lease.node, gpus=2, start=half)
        assert checks.audit() == [
            f"6 of the 4 GPUs of node {lease.node_id} (lease None) are promised at one time."
        ]
        Lease.objects.filter(pk=lease.pk).update(ends_at=half)
        assert checks.audit() == []
        Lease.objects.filter(pk=other.pk).update(starts_at=NOON + timedelta(minutes=29))
        assert len(checks.audit()) == 1

    def test_misses_no_account_of_a_shard_that_is_owed_nothing(self, lease: Lease) -> None:
        Lease.objects.update(
            notional_micros=5, used_micros=5, paid_micros=5, buyer_fee_micros=0, seller_fee_micros=0
        )
        Transfer.objects.all().delete()
        Account.objects.filter(kind__in=(Account.Kind.ESCROW, Account.Kind.FEES)).delete()
        [finding] = checks.audit()
        assert "samples differ" in finding

    def test_takes_as_many_gpus_as_there_are(self, lease: Lease) -> None:
        Lease.objects.update(gpus=4)
        assert checks.audit() == []

    @pytest.mark.skipif(
        connection.vendor == "postgresql", reason="PostgreSQL refuses it by the constraint binding_gpu_once."
    )
    def test_finds_a_gpu_that_is_bound_twice(self, lease: Lease) -> None:
        other = market.lease(lease.node, start=lease.ends_at)
        _, second = (
            Binding.objects.create(
                lease=one, node=lease.node, gpu=0, starts_at=one.starts_at, ends_at=one.ends_at
            )
            for one in (lease, other)
        )
        assert checks.audit() == []
        early = other.starts_at - timedelta(minutes=1)
        Binding.objects.filter(pk=second.pk).update(starts_at=early)
        [finding] = checks.audit()
        assert finding == (
            f"GPU 0 of node {lease.node_id} is bound by leases {lease.pk} and {other.pk} at one time."
        )

    def test_finds_an_escrow_that_is_not_what_leases_have_left(self, lease: Lease) -> None:
        Account.objects.filter(kind=Account.Kind.ESCROW).update(balance_micros=7)
        [finding] = checks.audit()
        assert finding.endswith(f"has 7; its leases have {lease.notional_micros} left.")

    def test_finds_fees_that_leases_did_not_pay(self, lease: Lease) -> None:
        Account.objects.filter(kind=Account.Kind.FEES).update(balance_micros=7)
        [finding] = checks.audit()
        assert finding.endswith(f"has 7; the fees of its leases are {lease.buyer_fee_micros}.")

    def test_finds_accounts_of_a_shard_that_are_not_there(self, lease: Lease) -> None:
        Transfer.objects.all().delete()
        Account.objects.filter(kind__in=(Account.Kind.ESCROW, Account.Kind.FEES)).delete()
        shard = lease.shard
        assert checks.audit() == [
            f"Leases of shard {shard} have {lease.notional_micros} left and there is no escrow account.",
            f"Leases of shard {shard} paid {lease.buyer_fee_micros} in fees and there is no fees account.",
        ]

    def test_counts_a_sellers_fee_up_to_what_it_was_paid(self, lease: Lease) -> None:
        fees = Account.objects.get(kind=Account.Kind.FEES)
        for paid, counted in ((3, 3), (10, 10), (11, 10)):
            Lease.objects.update(seller_fee_micros=10, paid_micros=paid, used_micros=paid)
            Account.objects.filter(pk=fees.pk).update(balance_micros=lease.buyer_fee_micros + counted)
            assert not [finding for finding in checks.audit() if "fees" in finding]

    @pytest.mark.parametrize("change", [{"delivered_minutes": 1}, {"used_micros": 1}])
    def test_finds_use_that_was_not_metered(self, lease: Lease, change: dict[str, int]) -> None:
        Lease.objects.update(**change)
        assert [finding for finding in checks.audit() if "samples differ" in finding]

    def test_finds_no_fault_in_what_was_metered(self, lease: Lease) -> None:
        UsageSample.objects.create(lease=lease, minute=NOON, is_delivered=True, amount_micros=5)
        UsageSample.objects.create(
            lease=lease, minute=NOON + timedelta(minutes=1), is_delivered=False, amount_micros=0
        )
        Lease.objects.update(delivered_minutes=1, used_micros=5)
        assert checks.audit() == []

    def test_finds_a_step_that_the_table_does_not_have(self, lease: Lease) -> None:
        for state in (State.PROVISIONING, State.SETTLED):
            LeaseEvent.objects.create(lease=lease, state=state, at=NOON)
        assert checks.audit() == [
            f"Lease {lease.pk} went from provisioning to settled.",
            f"Lease {lease.pk} is pending; its events say settled.",
        ]

    def test_finds_what_should_have_been_settled(self, lease: Lease) -> None:
        late = lease.ends_at + checks.SETTLED_WITHIN
        assert checks.audit(now=late) == []
        [finding] = checks.audit(now=late + timedelta(seconds=1))
        assert f"ended at {lease.ends_at:%F %H:%M} and is not settled" in finding
