"""The steps every movement of money is made of. Each needs a transaction, and the lock its type names.

Single movements for services; `Journal` for the many of a drain. Accounts are locked by ascending id, before
anything else is (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from compute_market.ledger.errors import AccountNotFound
from compute_market.ledger.journal import Journal, LockedAccount, ReservationRow, require_amount
from compute_market.ledger.models import Account, Reservation, Transfer
from foundation.database import bulk_sql
from foundation.database.compiled import CompiledQuery
from foundation.database.cursors import prepared_cursor

__all__ = [
    "Journal",
    "LockedAccount",
    "ReservationRow",
    "account_ids",
    "load_reservations",
    "lock_account",
    "lock_accounts",
    "lock_main_accounts",
    "open_account",
    "post",
    "require_amount",
    "reserve",
    "shard_account_ids",
    "transfer",
    "void",
]


def open_account(
    *, kind: str, now: datetime, namespace_id: int | None = None, shard: int | None = None
) -> Account:
    """The account of that kind and owner, opened if this is the first need of it."""
    owner: dict[str, Any] = {"namespace_id": namespace_id, "shard": shard}
    account, _ = Account.objects.get_or_create(kind=kind, **owner, defaults={"opened_at": now})
    return account


def account_ids(
    *, namespace_ids: Collection[int], now: datetime, kind: str = Account.Kind.MAIN
) -> dict[int, int]:
    """Namespace id → account id, for any number of namespaces; missing accounts are opened."""
    mine = Account.objects.filter(kind=kind, namespace_id__in=namespace_ids)
    known: dict[int, int] = {row.namespace_id: row.pk for row in mine if row.namespace_id is not None}
    for namespace_id in sorted(set(namespace_ids) - set(known)):
        known[namespace_id] = open_account(kind=kind, namespace_id=namespace_id, now=now).pk
    return known


_of_shard = CompiledQuery(lambda shard: Account.objects.filter(shard=shard), shard=31_111)


def shard_account_ids(*, shard: int, now: datetime) -> tuple[int, int]:
    """The ids of a shard's escrow and fee accounts; opened at the first need."""
    known = {account.kind: account.pk for account in _of_shard.all(shard=shard)}
    escrow = known.get("escrow") or open_account(kind=Account.Kind.ESCROW, shard=shard, now=now).pk
    fees = known.get("fees") or open_account(kind=Account.Kind.FEES, shard=shard, now=now).pk
    return escrow, fees


_locked = CompiledQuery(
    lambda namespace_id, kind: (
        Account.objects.select_for_update(of=("self",))
        .select_related("namespace")
        .filter(namespace=namespace_id, kind=kind)
    ),
    namespace_id=987_654_321,
    kind="?kind",
)


def lock_account(*, namespace_id: int, now: datetime, kind: str = Account.Kind.MAIN) -> LockedAccount:
    """Lock a namespace's account, opening it if this is the first need of it. Its namespace comes with it."""
    _require_transaction()
    account = _locked.first(namespace_id=namespace_id, kind=str(kind))
    if account is None:
        open_account(kind=kind, namespace_id=namespace_id, now=now)
        account = _locked.first(namespace_id=namespace_id, kind=str(kind))
    assert account is not None
    return LockedAccount(account)


_owners_locked = CompiledQuery(
    lambda namespaces, kind: (
        Account.objects.select_for_update(of=("self",))
        .select_related("namespace")
        .filter(namespace__in=bulk_sql.listed_in(namespaces), kind=kind)
        .order_by("pk")
    ),
    namespaces="?namespaces",
    kind="?kind",
)


def lock_main_accounts(*, namespace_ids: Collection[int], now: datetime) -> dict[int, LockedAccount]:
    """Namespace id → its main account, locked as by `lock_account`; for any number of them at once."""
    _require_transaction()
    found: dict[int, LockedAccount] = {}
    if len(namespace_ids) > 1:
        locked = _owners_locked.all(namespaces=bulk_sql.as_list(namespace_ids), kind=Account.Kind.MAIN.value)
        found = {account.namespace_id: LockedAccount(account) for account in locked if account.namespace_id}
    for pk in namespace_ids:
        if pk not in found:
            found[pk] = lock_account(namespace_id=pk, now=now)
    return found


_all_locked = CompiledQuery(
    lambda ids: Account.objects.select_for_update().filter(pk__in=bulk_sql.listed_in(ids)).order_by("pk"),
    ids="?ids",
)


def lock_accounts(*, ids: Iterable[int]) -> dict[int, LockedAccount]:
    """Lock accounts by ascending id, in one statement.

    Raises: AccountNotFound if one of them is missing.
    """
    _require_transaction()
    wanted = sorted(set(ids))
    locked = {account.pk: LockedAccount(account) for account in _all_locked.all(ids=bulk_sql.as_list(wanted))}
    if len(locked) != len(wanted):
        raise AccountNotFound(missing=sorted(set(wanted) - set(locked)))
    return locked


def load_reservations(*, ids: Iterable[int]) -> dict[int, ReservationRow]:
    """Reservations by id. Their accounts' locks guard them, so they are read without a lock of their own."""
    wanted = set(ids)
    if not wanted:
        return {}
    columns = bulk_sql.columns_sql(Reservation, ReservationRow.columns())
    sql = f"SELECT {columns} FROM {bulk_sql.table_of(Reservation)} WHERE id IN ({bulk_sql.listed_sql()})"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [bulk_sql.as_list(wanted)])
        return {row[0]: ReservationRow(*row) for row in cursor.fetchall()}


def reserve(
    *,
    account: LockedAccount,
    amount_micros: int,
    cause: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> Reservation:
    """Promise money: it stays in the account and is no longer available.

    Raises: AmountInvalid, InsufficientFunds.
    """
    journal = Journal(accounts=[account], now=now)
    reservation = journal.reserve(
        account_id=account.pk, amount_micros=amount_micros, cause=cause, expires_at=expires_at
    )
    journal.write()
    return reservation


def post(
    *,
    reservation: Reservation,
    debit: LockedAccount,
    credit: LockedAccount,
    amount_micros: int,
    kind: str,
    cause: str,
    now: datetime,
    end: bool = True,
) -> None:
    """Move promised money, in part or whole. With `end` the reservation ends and the rest goes back.

    Raises: AmountInvalid, ReservationEnded.
    """
    journal = Journal(accounts=[debit, credit], now=now)
    journal.draw(
        reservation=reservation, credit_id=credit.pk, amount_micros=amount_micros, kind=kind, cause=cause
    )
    if end:
        journal.end(reservation=reservation)
    journal.write()


def void(*, reservation: Reservation, account: LockedAccount, now: datetime, expired: bool = False) -> int:
    """End a reservation; what was not drawn is available again. Give how much that is.

    Raises: ReservationEnded when it has ended before.
    """
    journal = Journal(accounts=[account], now=now)
    released = journal.end(reservation=reservation, expired=expired)
    journal.write()
    return released


def transfer(
    *,
    debit: LockedAccount,
    credit: LockedAccount,
    amount_micros: int,
    kind: str,
    cause: str,
    now: datetime,
) -> None:
    """Move available money.

    Raises: AmountInvalid, InsufficientFunds.
    """
    journal = Journal(accounts=[debit, credit], now=now)
    journal.transfer(
        debit_id=debit.pk, credit_id=credit.pk, amount_micros=amount_micros, kind=kind, cause=cause
    )
    journal.write()


def find_transfer(cause: str) -> Transfer | None:
    """The movement made for a cause, if there was one."""
    return Transfer.objects.filter(cause=cause).first()


def _require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("A lock needs a transaction that keeps it.")
