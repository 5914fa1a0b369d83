"""Use cases of the ledger: money in and out by an operator, and a provider's bond."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compute_market.ledger import journal, policies, postings
from compute_market.ledger.errors import AccountNotFound, CauseReused, MoneyFull
from compute_market.ledger.models import Account, BalanceAlert, Transfer
from compute_market.ledger.signals import bond_moved
from hub.interface import Namespace, Principal, record_audit

# Largest sum of all accounts. A column holds a little more than twice that on either database.
MONEY_MAX_MICROS = 4 * 10**18
# A cause (`Transfer.cause`) holds the longest key and what stands before it.
KEY_CHARS_MAX = 64


def open_account(*, actor: Principal, namespace_id: int, now: datetime) -> Account:
    """The main account of a namespace that the actor trades for, opened at the first need of it.

    Raises: Unauthenticated, TradeScopeMissing, AccountNotFound.
    """
    policies.require_trade_scope(actor)
    if not policies.may_spend(actor, namespace_id):
        raise AccountNotFound
    return postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now)


def set_balance_alert(
    *, actor: Principal, namespace_id: int, threshold_micros: int | None, now: datetime
) -> None:
    """Notify the people of a namespace when less than this is available in its account; None: never.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember, AmountInvalid.
    """
    policies.require_spend(actor, namespace_id)
    if threshold_micros is not None:
        journal.require_amount(threshold_micros)
    with transaction.atomic(durable=True):
        account = postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now)
        if threshold_micros is None:
            BalanceAlert.objects.filter(account=account).delete()
            return
        BalanceAlert.objects.update_or_create(
            account=account, defaults={"threshold_micros": threshold_micros}
        )


def deposit(*, actor: Principal, namespace_id: int, amount_micros: int, key: str, now: datetime) -> Transfer:
    """Credit a namespace with money that arrived from outside. The same key moves it once.

    A payment provider would call this from its webhook, with its own payment id as the key.

    Raises: OperatorOnly, AmountInvalid, CauseReused (the key was used for something else).
    """
    policies.require_operator(actor)
    with transaction.atomic(durable=True):
        moved = _move(
            debit=_external(now),
            credit=postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now),
            amount_micros=amount_micros,
            kind=Transfer.Kind.DEPOSIT,
            purpose="deposit",
            key=key,
            now=now,
        )
        _record(actor, "market_deposited", namespace_id, moved)
    return moved


def withdraw(*, actor: Principal, namespace_id: int, amount_micros: int, key: str, now: datetime) -> Transfer:
    """Take money out of a namespace's account, as it is paid to the outside. The same key moves it once.

    Raises: OperatorOnly, AmountInvalid, InsufficientFunds, CauseReused.
    """
    policies.require_operator(actor)
    with transaction.atomic(durable=True):
        moved = _move(
            debit=postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now),
            credit=_external(now),
            amount_micros=amount_micros,
            kind=Transfer.Kind.WITHDRAWAL,
            purpose="withdrawal",
            key=key,
            now=now,
        )
        _record(actor, "market_withdrawn", namespace_id, moved)
    return moved


def post_bond(
    *, actor: Principal, namespace_id: int, amount_micros: int, key: str, now: datetime
) -> Transfer:
    """Put money of a provider into its bond, from which buyers are credited when it breaks off a lease.

    Raises: NotAMember, TradeScopeMissing, AmountInvalid, InsufficientFunds, CauseReused.
    """
    policies.require_spend(actor, namespace_id)
    with transaction.atomic(durable=True):
        moved = _move(
            debit=postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now),
            credit=postings.open_account(kind=Account.Kind.BOND, namespace_id=namespace_id, now=now),
            amount_micros=amount_micros,
            kind=Transfer.Kind.BOND,
            purpose=f"bond/{namespace_id}",
            key=key,
            now=now,
        )
        bond_moved.send(sender=Account, namespace_id=namespace_id, now=now)
    return moved


def release_bond(
    *, actor: Principal, namespace_id: int, amount_micros: int, key: str, now: datetime
) -> Transfer:
    """Return part of a provider's bond, by an operator who has checked that no lease depends on it.

    Raises: OperatorOnly, AmountInvalid, InsufficientFunds, CauseReused.
    """
    policies.require_operator(actor)
    with transaction.atomic(durable=True):
        moved = _move(
            debit=postings.open_account(kind=Account.Kind.BOND, namespace_id=namespace_id, now=now),
            credit=postings.open_account(kind=Account.Kind.MAIN, namespace_id=namespace_id, now=now),
            amount_micros=amount_micros,
            kind=Transfer.Kind.BOND,
            purpose=f"bond-release/{namespace_id}",
            key=key,
            now=now,
        )
        _record(actor, "market_bond_released", namespace_id, moved)
        bond_moved.send(sender=Account, namespace_id=namespace_id, now=now)
    return moved


def _record(actor: Principal, action: str, namespace_id: int, moved: Transfer) -> None:
    """Write the act of an operator to the audit log, also when its key has moved the money before."""
    name = Namespace.objects.get(pk=namespace_id).name
    record_audit(
        actor=actor,
        action=action,
        subject=f"account {name}",
        namespace_id=namespace_id,
        amount_micros=moved.amount_micros,
        cause=moved.cause,
    )


def _external(now: datetime) -> Account:
    return postings.open_account(kind=Account.Kind.EXTERNAL, now=now)


def _require_room(outside: Account, amount_micros: int) -> None:
    """Require that all that was deposited fits one account, so that every sum does. Raises: MoneyFull."""
    if amount_micros - outside.balance_micros > MONEY_MAX_MICROS:
        raise MoneyFull(left_micros=max(0, MONEY_MAX_MICROS + outside.balance_micros))


def _move(
    *,
    debit: Account,
    credit: Account,
    amount_micros: int,
    kind: str,
    purpose: str,
    key: str,
    now: datetime,
) -> Transfer:
    """Move once for a purpose and key, and return the movement, old or new.

    Both accounts are locked, so a second call with the same key waits for the first.
    """
    cause = f"{purpose}/{key}"
    locked = postings.lock_accounts(ids=[debit.pk, credit.pk])
    done = postings.find_transfer(cause)
    if done is None:
        if kind == Transfer.Kind.DEPOSIT:
            _require_room(locked[debit.pk], amount_micros)
        postings.transfer(
            debit=locked[debit.pk],
            credit=locked[credit.pk],
            amount_micros=amount_micros,
            kind=kind,
            cause=cause,
            now=now,
        )
        done = Transfer.objects.get(cause=cause)
    elif (done.debit_id, done.credit_id, done.amount_micros) != (debit.pk, credit.pk, amount_micros):
        raise CauseReused(key=key)
    return done
