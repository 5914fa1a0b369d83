"""Rule M17: future leases are given back by the product's term, and their hours return."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from compute_market.leases import cancellation
from compute_market.leases import jobs as leasing
from compute_market.leases import services as leases
from compute_market.leases.models import Lease
from compute_market.ledger.models import Transfer
from compute_market.matching.intake import relisting
from compute_market.matching.models import Order
from compute_market.offers import selectors
from compute_market.offers import services as supply
from compute_market.offers.models import CancellationTerm, GpuHold, Node, Product, Provider
from hub.interface import Principal
from tests.factories.exchange import MIDNIGHT, again, buy, drain, main_account, sell, set_cancellation_term
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def term(product: Product, free_hours: int, fee_bps: int, *, since_hours: int = -1) -> None:
    set_cancellation_term(product, free_hours=free_hours, fee_bps=fee_bps, since=NOON + since_hours * HOUR)


def bought(provider: Principal, user: Principal, machine: Node, *, gpus: int = 8) -> Lease:
    """Hours 2 to 4 after midnight, of an offer of the whole day that rests on."""
    sell(provider, machine, 8, 9)
    buy(user, machine.product, gpus, 9, hours=(2, 4))
    drain()
    return Lease.objects.get()


def give_back(lease: Lease, user: Principal, *, hours_before: float) -> Lease:
    now = lease.starts_at - timedelta(hours=hours_before)
    leases.end_early(actor=user, lease_id=lease.pk, now=now)
    leasing.settle_leases(now=now)
    lease.refresh_from_db()
    assert lease.state == "settled"
    return lease


class TestTheTerm:
    @pytest.mark.parametrize(
        ("free_hours", "bps", "hours_before", "share"),
        [(6, 500, 6, 0), (6, 500, 5.9, 500), (0, 500, 0, 0), (6, 10_000, 1, 10_000), (6, 0, 1, 0)],
    )
    def test_is_free_until_its_hour_and_then_costs_a_share_for_the_seller(
        self,
        provider: Principal,
        user: Principal,
        machine: Node,
        free_hours: int,
        bps: int,
        hours_before: float,
        share: int,
    ) -> None:
        term(machine.product, free_hours, bps)
        lease = bought(provider, user, machine)
        paid_in = 16 * 9 * CREDIT
        before, earned = main_account(user).balance_micros, main_account(provider).balance_micros
        give_back(lease, user, hours_before=hours_before)
        fee = paid_in * share // 10_000
        assert (lease.cancel_fee_micros, lease.refunded_micros) == (fee, paid_in)
        assert main_account(user).balance_micros == before + paid_in - fee
        assert main_account(provider).balance_micros == earned + fee
        assert Transfer.objects.filter(kind=Transfer.Kind.CANCELLATION).count() == bool(fee)
        leasing.advance(now=lease.agreed_end_at)
        assert main_account(provider).balance_micros == earned + fee

    def test_is_that_of_the_day_on_which_the_lease_was_bought(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        lease = bought(provider, user, machine)
        Lease.objects.update(opened_at=NOON)
        lease.refresh_from_db()
        term(machine.product, 1000, 10_000, since_hours=1)
        assert cancellation.of_lease(lease).free_until == lease.starts_at
        give_back(lease, user, hours_before=0.1)
        assert lease.cancel_fee_micros == 0
        known = selectors.cancellation_terms([machine.product_id], at=NOON + 2 * HOUR)
        assert known[machine.product_id].free_hours == 1000

    def test_is_a_share_and_stands(self, machine: Node) -> None:
        product = machine.product
        default = selectors.cancellation_terms([product.pk], at=NOON)[product.pk]
        assert (default.free_hours, default.fee_bps) == (0, 10)
        with pytest.raises(ValidationError):
            term(product, 0, 10_001)
        with pytest.raises(IntegrityError, match="cancellation_fee_is_a_share"), transaction.atomic():
            CancellationTerm.objects.create(product=product, fee_bps=10_001, since=NOON)


class TestTheHours:
    def test_are_free_on_the_node_though_the_offer_that_sold_them_rests(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        lease = bought(provider, user, machine)
        give_back(lease, user, hours_before=1)
        assert GpuHold.objects.open().count() == 1
        # They are not offered by themselves, and the provider may offer them: once.
        assert relisting.relist_cancelled(now=NOON) == set()
        mine = sell(provider, machine, 8, 6, hours=(2, 4))
        drain()
        assert again(mine).state == "open"
        bid = buy(user, machine.product, 8, 9, hours=(2, 4))
        drain()
        assert (again(bid).state, again(mine).state) == ("filled", "filled")

    @pytest.mark.parametrize("gpus", [8, 3])
    @pytest.mark.parametrize("is_sold_out", [True, False])
    def test_return_to_the_book_once_at_their_price_if_the_provider_said_so(
        self, provider: Principal, user: Principal, machine: Node, gpus: int, is_sold_out: bool
    ) -> None:
        found = Provider.objects.get(pk=machine.provider_id)
        supply.relist_cancelled(actor=provider, provider=found, relists=True)
        lease = bought(provider, user, machine, gpus=gpus)
        if is_sold_out:  # the offer that sold them is over, and so is its hold
            for hours, left in (((0, 2), 8), ((2, 4), 8 - gpus), ((4, 24), 8)):
                if left:
                    buy(user, machine.product, left, 9, hours=hours)
            drain()
            assert not GpuHold.objects.open().exists()
        give_back(lease, user, hours_before=1)
        for _ in range(2):
            relisting.relist_cancelled(now=NOON)
        drain()
        offer = Order.objects.get(client_order_id=f"relist-{lease.pk}")
        assert (offer.state, offer.gpus, offer.price_micros_per_gpu_hour) == ("open", gpus, 9 * CREDIT)
        assert (offer.start, offer.end) == (MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR)
        bid = buy(user, machine.product, gpus, 9, hours=(2, 4))
        drain()
        assert again(bid).state == "filled"

    def test_of_a_node_that_is_silent_wait_until_it_is_heard(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        Provider.objects.update(relists_cancelled=True)
        lease = bought(provider, user, machine)
        give_back(lease, user, hours_before=1)
        assert relisting.relist_cancelled(now=NOON + timedelta(minutes=5)) == set()
        assert relisting.relist_cancelled(now=NOON) == {machine.product.shard_id}
