"""The steps by which a lease's money leaves escrow: to the seller as it is used, the rest to the holder.

Each needs the accounts and the lease locked, accounts first. Movements are collected in a journal; the
caller writes it, and the lease, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from compute_market.leases.lifecycle import LockedLease
from compute_market.leases.models import Lease
from compute_market.leases.states import BROKEN_BY_PROVIDER
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Account, Transfer

BASIS = 10_000
PAYOUT_MINUTES = 60
"""A running lease pays its seller by the hour it has used; an ended one pays what is left."""


class Purse(NamedTuple):
    """The accounts that one lease's money may move between, by primary key. No bond, no credit."""

    escrow: int
    fees: int
    holder: int
    seller: int
    bond: int | None


def purses(leases: Iterable[Lease], *, now: datetime) -> dict[int, Purse]:
    """Lease id → its accounts. The leases come with `node__provider` selected."""
    leases = list(leases)
    shards = {lease.shard: ledger.shard_account_ids(shard=lease.shard, now=now) for lease in leases}
    providers = {lease.node.provider.namespace_id for lease in leases}
    bonds = dict(
        Account.objects.filter(kind=Account.Kind.BOND, namespace_id__in=providers).values_list(
            "namespace_id", "pk"
        )
    )
    return {
        lease.pk: Purse(
            *shards[lease.shard],
            holder=lease.holder_id,
            seller=lease.seller_id,
            bond=bonds.get(lease.node.provider.namespace_id),
        )
        for lease in leases
    }


def journal_for(purses_: Iterable[Purse], *, now: datetime) -> ledger.Journal:
    """Lock every account of these purses and open a journal over them."""
    ids = {account for purse in purses_ for account in purse if account is not None}
    return ledger.Journal(accounts=ledger.lock_accounts(ids=ids).values(), now=now)


def providers_in_debt(leases: Iterable[Lease], purses_: Mapping[int, Purse]) -> set[int]:
    """The providers whose bonds may pay a credit when these leases, which are over, are divided; by id."""
    return {
        lease.node.provider_id
        for lease in leases
        if lease.state in BROKEN_BY_PROVIDER and purses_[lease.pk].bond is not None
    }


def pay_used(journal: ledger.Journal, lease: LockedLease, purse: Purse) -> None:
    """Pay the seller what was used and not paid yet; the seller's fee comes off the first of it."""
    owed = lease.used_micros - lease.paid_micros
    if not owed:
        return
    fee_before = min(lease.paid_micros, lease.seller_fee_micros)
    fee = min(lease.used_micros, lease.seller_fee_micros) - fee_before
    lease.paid_micros = lease.used_micros
    cause = f"lease/{lease.pk}/used/{lease.paid_micros}"
    if fee:
        journal.transfer(
            debit_id=purse.escrow,
            credit_id=purse.fees,
            amount_micros=fee,
            kind=Transfer.Kind.FEE.value,
            cause=f"{cause}/fee",
        )
    if owed > fee:
        journal.transfer(
            debit_id=purse.escrow,
            credit_id=purse.seller,
            amount_micros=owed - fee,
            kind=Transfer.Kind.USAGE.value,
            cause=cause,
        )


def pay_used_hours(journal: ledger.Journal, lease: LockedLease, purse: Purse) -> None:
    """Pay the seller if a whole hour is owed."""
    if lease.used_micros - lease.paid_micros >= PAYOUT_MINUTES * lease.price_micros_per_minute:
        pay_used(journal, lease, purse)


def divide(journal: ledger.Journal, lease: LockedLease, purse: Purse) -> None:
    """Divide what is left of an ended lease: to the seller what was used, to the holder the rest.

    What comes back was either not delivered, or given up by the holder's early end. For what was not
    delivered the holder's fee comes back as well, and if the provider broke the lease off, its bond pays a
    credit. For what was given up late the holder pays the cancellation fee.
    """
    pay_used(journal, lease, purse)
    refund = lease.escrow_micros
    if refund:
        lease.refunded_micros += refund
        journal.transfer(
            debit_id=purse.escrow,
            credit_id=purse.holder,
            amount_micros=refund,
            kind=Transfer.Kind.REFUND.value,
            cause=f"lease/{lease.pk}/refund",
        )
    if lease.cancel_fee_micros and purse.holder != purse.seller:
        journal.transfer(
            debit_id=purse.holder,
            credit_id=purse.seller,
            amount_micros=lease.cancel_fee_micros,
            kind=Transfer.Kind.CANCELLATION.value,
            cause=f"lease/{lease.pk}/cancellation",
        )
    undelivered = refund - lease.given_up_micros
    if undelivered > 0:
        _refund_fee(journal, lease, purse, undelivered_micros=undelivered)
        _credit(journal, lease, purse, undelivered_micros=undelivered)


def _refund_fee(
    journal: ledger.Journal, lease: LockedLease, purse: Purse, *, undelivered_micros: int
) -> None:
    """Give the holder back the fee for what was not delivered, rounded down (docs/adr/0185)."""
    fee = lease.buyer_fee_micros * undelivered_micros // lease.notional_micros
    if fee:
        lease.fee_refunded_micros = fee
        journal.transfer(
            debit_id=purse.fees,
            credit_id=purse.holder,
            amount_micros=fee,
            kind=Transfer.Kind.FEE_REFUND.value,
            cause=f"lease/{lease.pk}/refund/fee",
        )


def _credit(journal: ledger.Journal, lease: LockedLease, purse: Purse, *, undelivered_micros: int) -> None:
    """Credit the holder of a lease that its provider broke off, from the bond and as far as that goes."""
    if lease.state not in BROKEN_BY_PROVIDER or purse.bond is None:
        return
    promised = undelivered_micros * settings.MARKET_CREDIT_BPS // BASIS
    credit = min(promised, journal.accounts[purse.bond].available_micros)
    if credit > 0:
        lease.credited_micros = credit
        journal.transfer(
            debit_id=purse.bond,
            credit_id=purse.holder,
            amount_micros=credit,
            kind=Transfer.Kind.CREDIT.value,
            cause=f"lease/{lease.pk}/credit",
        )
