"""The steps by which a lease's money leaves escrow: to the seller as it is used, the rest to the holder.

Each needs the accounts and the lease locked, accounts first. Movements are collected in a journal; the
caller writes it, and the lease, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from compute_market import quantities
from compute_market.leases.lifecycle import LockedLease
from compute_market.leases.models import Lease
from compute_market.leases.states import BROKEN_BY_PROVIDER, State
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Account, Transfer

PAYOUT_MINUTES = 60
"""A running lease pays its seller by the hour it has used; an ended one pays what is left."""


class LeaseAccounts(NamedTuple):
    """The accounts that one lease's money may move between, by primary key. No bond, no credit."""

    escrow: int
    fees: int
    holder: int
    seller: int
    bond: int | None


def lease_accounts(leases: Iterable[Lease], *, now: datetime) -> dict[int, LeaseAccounts]:
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
        lease.pk: LeaseAccounts(
            *shards[lease.shard],
            holder=lease.holder_id,
            seller=lease.seller_id,
            bond=bonds.get(lease.node.provider.namespace_id),
        )
        for lease in leases
    }


def journal_for(accounts_of: Iterable[LeaseAccounts], *, now: datetime) -> ledger.Journal:
    """Lock every account of these lease_accounts and open a journal over them."""
    ids = {account for accounts in accounts_of for account in accounts if account is not None}
    return ledger.Journal(accounts=ledger.lock_accounts(ids=ids).values(), now=now)


def providers_in_debt(leases: Iterable[Lease], accounts_of: Mapping[int, LeaseAccounts]) -> set[int]:
    """The providers whose bonds may pay a credit when these leases, which are over, are divided; by id."""
    return {
        lease.node.provider_id
        for lease in leases
        if _owes_credit(lease) and accounts_of[lease.pk].bond is not None
    }


def _owes_credit(lease: Lease) -> bool:
    """True if the provider broke the lease off, or gave a notice upon which the holder left early."""
    left_on_notice = lease.state == State.ENDED and lease.preempt_at is not None
    return left_on_notice or lease.state in BROKEN_BY_PROVIDER


def pay_used(journal: ledger.Journal, lease: LockedLease, accounts: LeaseAccounts) -> None:
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
            debit_id=accounts.escrow,
            credit_id=accounts.fees,
            amount_micros=fee,
            kind=Transfer.Kind.FEE.value,
            cause=f"{cause}/fee",
        )
    if owed > fee:
        journal.transfer(
            debit_id=accounts.escrow,
            credit_id=accounts.seller,
            amount_micros=owed - fee,
            kind=Transfer.Kind.USAGE.value,
            cause=cause,
        )


def pay_used_hours(journal: ledger.Journal, lease: LockedLease, accounts: LeaseAccounts) -> None:
    """Pay the seller if a whole hour is owed."""
    if lease.used_micros - lease.paid_micros >= PAYOUT_MINUTES * lease.price_micros_per_minute:
        pay_used(journal, lease, accounts)


def divide(journal: ledger.Journal, lease: LockedLease, accounts: LeaseAccounts) -> None:
    """Divide the escrow of an ended lease: the seller gets the price of the used time, the holder the rest.

    The holder's refund is for time that was not delivered, or that the holder gave up by ending early. For
    time that was not delivered the fee is refunded as well, and if the provider broke the lease off, its bond
    pays a credit. For time that was given up late the holder pays the cancellation fee.
    """
    pay_used(journal, lease, accounts)
    refund = lease.escrow_micros
    if refund:
        lease.refunded_micros += refund
        journal.transfer(
            debit_id=accounts.escrow,
            credit_id=accounts.holder,
            amount_micros=refund,
            kind=Transfer.Kind.REFUND.value,
            cause=f"lease/{lease.pk}/refund",
        )
    if lease.cancel_fee_micros and accounts.holder != accounts.seller:
        journal.transfer(
            debit_id=accounts.holder,
            credit_id=accounts.seller,
            amount_micros=lease.cancel_fee_micros,
            kind=Transfer.Kind.CANCELLATION.value,
            cause=f"lease/{lease.pk}/cancellation",
        )
    undelivered = refund - lease.given_up_micros
    if undelivered > 0:
        _refund_fee(journal, lease, accounts, undelivered_micros=undelivered)
        _credit(journal, lease, accounts, undelivered_micros=undelivered)


def _refund_fee(
    journal: ledger.Journal, lease: LockedLease, accounts: LeaseAccounts, *, undelivered_micros: int
) -> None:
    """Give the holder back the fee for what was not delivered, rounded down (docs/adr/0185)."""
    fee = lease.buyer_fee_micros * undelivered_micros // lease.notional_micros
    if fee:
        lease.fee_refunded_micros = fee
        journal.transfer(
            debit_id=accounts.fees,
            credit_id=accounts.holder,
            amount_micros=fee,
            kind=Transfer.Kind.FEE_REFUND.value,
            cause=f"lease/{lease.pk}/refund/fee",
        )


def _credit(
    journal: ledger.Journal, lease: LockedLease, accounts: LeaseAccounts, *, undelivered_micros: int
) -> None:
    """Credit the holder of a lease that its provider broke off, from the bond and as far as that goes."""
    if not _owes_credit(lease) or accounts.bond is None:
        return
    promised = quantities.share_micros(amount_micros=undelivered_micros, bps=settings.MARKET_CREDIT_BPS)
    credit = min(promised, journal.accounts[accounts.bond].available_micros)
    if credit > 0:
        lease.credited_micros = credit
        journal.transfer(
            debit_id=accounts.bond,
            credit_id=accounts.holder,
            amount_micros=credit,
            kind=Transfer.Kind.CREDIT.value,
            cause=f"lease/{lease.pk}/credit",
        )
