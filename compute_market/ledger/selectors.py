"""Reads of the ledger: balances and statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

from compute_market.ledger import policies
from compute_market.ledger.errors import AccountNotFound
from compute_market.ledger.models import Account, BalanceAlert, Transfer
from foundation.paging import Size, newest_first
from hub.interface import Namespace, Principal

SIZE = Size(default=100, most=500)


@dataclass(frozen=True, slots=True)
class Balance:
    """An account as its owner sees it, in micro-credits."""

    kind: str
    balance_micros: int
    held_micros: int

    @property
    def available_micros(self) -> int:
        return self.balance_micros - self.held_micros


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement as its account sees it: money in is positive, money out negative."""

    transfer_id: int
    at: datetime
    kind: str
    amount_micros: int
    cause: str

    @property
    def label(self) -> str:
        """The purpose of the movement, in the reader's language."""
        return str(Transfer.Kind(self.kind).label)

    @property
    def lease_id(self) -> int | None:
        """The lease it was for, if it was for one."""
        room, _, rest = self.cause.partition("/")
        number = rest.partition("/")[0]
        return int(number) if room == "lease" and number.isdecimal() else None


def get_account(*, actor: Principal, namespace_id: int, kind: str = Account.Kind.MAIN) -> Account:
    """An account that the actor may see; a foreign one is not found.

    Raises: Unauthenticated, TradeScopeMissing, AccountNotFound.
    """
    account = find_account(actor=actor, namespace_id=namespace_id, kind=kind)
    if account is None:
        raise AccountNotFound
    return account


def find_account(*, actor: Principal, namespace_id: int, kind: str = Account.Kind.MAIN) -> Account | None:
    """As `get_account`; None where the account is foreign, or was not opened yet.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    policies.require_trade_scope(actor)
    if not policies.may_spend(actor, namespace_id):
        return None
    return Account.objects.filter(namespace_id=namespace_id, kind=kind).first()


def readable_namespaces(*, actor: Principal) -> QuerySet[Namespace]:
    """The namespaces whose accounts the actor may see.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    policies.require_trade_scope(actor)
    return Namespace.objects.filter(pk__in=policies.readable_namespaces(actor))


def balances(*, actor: Principal, namespace_id: int) -> list[Balance]:
    """The main account and the bond of a namespace; zeros where none was opened yet.

    Raises: Unauthenticated, AccountNotFound.
    """
    policies.require_market_scope(actor)
    if not policies.may_buy(actor, namespace_id):
        raise AccountNotFound
    known = {account.kind: account for account in Account.objects.filter(namespace_id=namespace_id)}
    return [
        Balance(
            kind=kind,
            balance_micros=known[kind].balance_micros if kind in known else 0,
            held_micros=known[kind].held_micros if kind in known else 0,
        )
        for kind in (Account.Kind.MAIN.value, Account.Kind.BOND.value)
    ]


def alert_threshold(*, actor: Principal, namespace_id: int) -> int | None:
    """The amount in micro-credits below which the people of an account are notified; None: never."""
    account = find_account(actor=actor, namespace_id=namespace_id)
    alert = BalanceAlert.objects.filter(account=account).first() if account else None
    return alert.threshold_micros if alert else None


class DayTotal(NamedTuple):
    """The money that left and reached an account on one day (UTC), in micro-credits, for rent and fees."""

    day: date
    spent_micros: int
    earned_micros: int


DAYS_SHOWN = 14
MOVES_READ_MAX = 5_000
SPENDING = (Transfer.Kind.ESCROW, Transfer.Kind.FEE, Transfer.Kind.CANCELLATION)
EARNING = (Transfer.Kind.USAGE, Transfer.Kind.CANCELLATION)
GIVEN_BACK = (Transfer.Kind.REFUND, Transfer.Kind.FEE_REFUND, Transfer.Kind.CREDIT)


def days_of(account: Account, *, now: datetime) -> list[DayTotal]:
    """The last 14 days of an account, oldest first. A refund reduces the spending of the day it comes on.

    Only the newest 5,000 movements of each direction are read: transfers have no index by time.
    """
    first = now.date() - timedelta(days=DAYS_SHOWN - 1)
    spent, earned = Counter[date](), Counter[date]()
    out = Transfer.objects.filter(debit=account).order_by("-pk")
    for kind, amount, at in out.values_list("kind", "amount_micros", "at")[:MOVES_READ_MAX]:
        if kind in SPENDING:
            spent[at.date()] += amount
    come = Transfer.objects.filter(credit=account).order_by("-pk")
    for kind, amount, at in come.values_list("kind", "amount_micros", "at")[:MOVES_READ_MAX]:
        if kind in GIVEN_BACK:
            spent[at.date()] -= amount
        elif kind in EARNING:
            earned[at.date()] += amount
    days = [first + timedelta(days=number) for number in range(DAYS_SHOWN)]
    return [DayTotal(day, spent[day], earned[day]) for day in days]


def statement(
    *, account: Account, before: int | None = None, limit: int | None = None
) -> tuple[list[StatementLine], int | None]:
    """A page of an account's movements, newest first, and the cursor of the next page (None at the end).

    `before` is the cursor: only movements with a smaller id are given.
    """
    moves = Transfer.objects.filter(Q(debit=account) | Q(credit=account)).order_by("-pk")
    page = newest_first(moves, size=SIZE.of(limit), before=before)
    return [_line(account, move) for move in page.rows], page.next


def whole_statement(*, account: Account) -> Iterator[StatementLine]:
    """All movements of an account, oldest first, read lazily."""
    moves = Transfer.objects.filter(Q(debit=account) | Q(credit=account)).order_by("pk")
    return (_line(account, move) for move in moves.iterator(chunk_size=1000))


def _line(account: Account, move: Transfer) -> StatementLine:
    sign = -1 if move.debit_id == account.pk else 1
    return StatementLine(
        transfer_id=move.pk,
        at=move.at,
        kind=move.kind,
        amount_micros=sign * move.amount_micros,
        cause=move.cause,
    )
