"""The steps by which a lease's money leaves escrow, to the micro."""

from __future__ import annotations

import pytest
from django.conf import settings

from compute_market.leases import metering, money
from compute_market.leases.lifecycle import LockedLease, lock_lease
from compute_market.leases.models import Lease
from compute_market.leases.money import LeaseAccounts
from compute_market.leases.states import State
from compute_market.ledger.postings import Journal
from compute_market.offers.models import Node
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import CREDIT, NOON, trader

# Journals are filled and never written.
pytestmark = pytest.mark.django_db

HOUR = 6 * CREDIT
FEE = HOUR // 1000


@pytest.fixture
def provider() -> Principal:
    return trader(funds=100)


@pytest.fixture
def node(provider: Principal) -> Node:
    return market.node(provider)


def opened(lease: Lease) -> tuple[Journal, LockedLease, LeaseAccounts]:
    """A journal over the accounts of a lease, and the lease, locked."""
    accounts = money.lease_accounts(
        [Lease.objects.select_related("node__provider").get(pk=lease.pk)], now=NOON
    )
    locked = lock_lease(lease.pk)
    assert locked is not None
    return money.journal_for(accounts.values(), now=NOON), locked, accounts[lease.pk]


def moved(journal: Journal, accounts: LeaseAccounts) -> dict[str, int]:
    """The amounts by which the accounts of a lease would change, without those that would not."""
    names = {pk: name for name, pk in accounts._asdict().items() if pk is not None}
    return {
        names[account.pk]: account.balance_micros - before
        for account in journal.changed_accounts()
        for before in (type(account).objects.get(pk=account.pk).balance_micros,)
    }


class TestPayUsed:
    def test_takes_the_sellers_fee_off_the_first_of_it(self, node: Node) -> None:
        journal, lease, accounts = opened(market.lease(node))
        steps = []
        for used in (0, FEE - 1, FEE, FEE, FEE + 7, HOUR):
            lease.used_micros = used
            money.pay_used(journal, lease, accounts)
            steps.append(moved(journal, accounts))
            assert lease.paid_micros == used
        assert steps == [
            {},
            {"escrow": 1 - FEE, "fees": FEE - 1},
            {"escrow": -FEE, "fees": FEE},
            {"escrow": -FEE, "fees": FEE},
            {"escrow": -FEE - 7, "fees": FEE, "seller": 7},
            {"escrow": -HOUR, "fees": FEE, "seller": HOUR - FEE},
        ]

    def test_by_the_hour_waits_for_a_whole_one(self, node: Node) -> None:
        journal, lease, accounts = opened(market.lease(node, hours=3))
        for used, paid in ((HOUR - 1, 0), (HOUR, HOUR), (2 * HOUR - 1, HOUR), (2 * HOUR, 2 * HOUR)):
            lease.used_micros = used
            money.pay_used_hours(journal, lease, accounts)
            assert lease.paid_micros == paid


class TestDivide:
    def test_of_a_lease_that_was_given_back_late_pays_its_seller_for_that(self, node: Node) -> None:
        journal, lease, accounts = opened(market.lease(node, buyer_fee_bps=10))
        lease.state, lease.given_up_micros, lease.cancel_fee_micros = State.ENDED, HOUR, 500
        money.divide(journal, lease, accounts)
        assert moved(journal, accounts) == {"escrow": -HOUR, "holder": HOUR - 500, "seller": 500}
        assert (lease.refunded_micros, lease.fee_refunded_micros, lease.credited_micros) == (HOUR, 0, 0)

    def test_of_a_lease_of_ones_own_machine_charges_nobody_for_that(
        self, provider: Principal, node: Node
    ) -> None:
        journal, lease, accounts = opened(market.lease(node, holder=provider))
        lease.state, lease.given_up_micros, lease.cancel_fee_micros = State.ENDED, HOUR, 500
        money.divide(journal, lease, accounts)
        assert journal.accounts[accounts.holder].balance_micros == 100 * CREDIT

    @pytest.mark.parametrize(
        ("bond", "state", "credit"),
        [
            (None, State.LOST, 0),
            (CREDIT, State.LOST, HOUR * settings.MARKET_CREDIT_BPS // 10_000),
            (7, State.LOST, 7),
            (0, State.LOST, 0),
            (CREDIT, State.RECLAIMED, 0),
        ],
    )
    def test_credits_the_holder_from_the_bond_as_far_as_that_goes(
        self, provider: Principal, node: Node, bond: int | None, state: State, credit: int
    ) -> None:
        if bond is not None:
            market.post_bond(provider, 1)
        journal, lease, accounts = opened(market.lease(node, buyer_fee_bps=10))
        if bond is not None and accounts.bond is not None:
            journal.accounts[accounts.bond].held_micros = CREDIT - bond
        lease.state = state
        money.divide(journal, lease, accounts)
        assert (lease.refunded_micros, lease.fee_refunded_micros, lease.credited_micros) == (
            HOUR,
            FEE,
            credit,
        )
        assert moved(journal, accounts).get("holder") == HOUR + FEE + credit

    def test_gives_the_fee_back_for_what_was_not_delivered_rounded_down(self, node: Node) -> None:
        journal, lease, accounts = opened(market.lease(node, buyer_fee_bps=10))
        lease.state, lease.used_micros, lease.given_up_micros = State.ENDED, HOUR // 3, HOUR // 3
        money.divide(journal, lease, accounts)
        assert lease.refunded_micros == HOUR - HOUR // 3
        assert lease.fee_refunded_micros == FEE // 3
        assert lease.escrow_micros == 0


def test_the_bonds_that_may_pay_are_those_of_providers_who_broke_a_lease(
    provider: Principal, node: Node
) -> None:
    market.post_bond(provider, 1)
    other = market.node(trader())
    leases = [market.lease(of) for of in (node, other, node)]
    for lease, state in zip(leases, (State.LOST, State.LOST, State.ENDED), strict=True):
        lease.state = state
    for lease in leases:
        accounts = money.lease_accounts([lease], now=NOON)
        expected = {node.provider_id} if lease is leases[0] else set()
        assert money.providers_in_debt([lease], accounts) == expected


def test_metering_of_no_leases_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        metering.Evidence([], until=NOON)
