"""The movements of one commit: checked one by one in memory, written together in a few statements.

The drain of a shard moves money thousands of times a second. A journal is given every account it may touch,
already locked; it refuses what a balance does not bear at once, and `write()` makes it true in at most five
statements, however many movements there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import NamedTuple, NewType

from compute_market.ledger.account_events import Changes
from compute_market.ledger.errors import AmountInvalid, InsufficientFunds, ReservationEnded
from compute_market.ledger.models import AMOUNT_MAX_MICROS, Account, Reservation, Transfer
from foundation.database import bulk_sql

LockedAccount = NewType("LockedAccount", Account)
"""An account whose row this transaction holds; made only by `postings.lock_account(s)`."""

_OPEN, _POSTED = Reservation.State.OPEN.value, Reservation.State.POSTED.value
_VOIDED, _EXPIRED = Reservation.State.VOIDED.value, Reservation.State.EXPIRED.value


@dataclass(slots=True, eq=False)
class ReservationRow:
    """A reservation as a journal needs it: of thousands, the model's objects cost more than their rows."""

    pk: int
    account_id: int
    amount_micros: int
    drawn_micros: int
    state: str
    ended_at: datetime | None = None

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The fields that it is made of, in their order."""
        return tuple(each.name for each in fields(cls) if each.default is MISSING)


@dataclass(slots=True, eq=False)
class Movement:
    """Money that moves in this commit, drawn from a reservation if there is one (its row may be new yet)."""

    debit_id: int
    credit_id: int
    amount_micros: int
    kind: str
    cause: str
    reservation: Reservation | ReservationRow | None = None

    @property
    def reservation_id(self) -> int | None:
        """The reservation's key, which it has when the movement is written."""
        return None if self.reservation is None else self.reservation.pk


MOVED = ("debit_id", "credit_id", "amount_micros", "kind", "cause", "reservation_id")
"""The columns of a movement's row that are not the same for all of a commit."""


class AccountDelta(NamedTuple):
    """The amounts that are added to the columns of an account."""

    pk: int
    balance_micros: int
    held_micros: int


class Journal:
    """Collects reservations, draws and transfers between locked accounts until `write()`.

    The accounts' objects are kept up to date while it collects, so `available_micros` always tells what the
    next movement may take. A journal whose `write()` never comes has changed nothing in the database.
    `write()` tells the accounts' owners of their balances (`account_events`), unless `is_told` says that
    somebody else does.
    """

    def __init__(self, *, accounts: Iterable[LockedAccount], now: datetime, is_told: bool = True) -> None:
        self._is_told = is_told
        self.accounts: Mapping[int, LockedAccount] = {account.pk: account for account in accounts}
        self.now = now
        self._before = {
            account.pk: (account.balance_micros, account.held_micros) for account in self.accounts.values()
        }
        self._opened: list[Reservation] = []
        self._touched: dict[int, Reservation | ReservationRow] = {}
        self._movements: list[Movement] = []
        self._changed: tuple[bulk_sql.WriteResult, int] = bulk_sql.WriteResult(), 0

    def reserve(
        self, *, account_id: int, amount_micros: int, cause: str, expires_at: datetime | None = None
    ) -> Reservation:
        """Promise part of what the account has available. The row gets its id at `write()`.

        Raises: AmountInvalid, InsufficientFunds.
        """
        require_amount(amount_micros)
        account = self.accounts[account_id]
        if amount_micros > account.available_micros:
            raise InsufficientFunds(available_micros=account.available_micros, needed_micros=amount_micros)
        account.held_micros += amount_micros
        reservation = Reservation(
            account_id=account_id,
            amount_micros=amount_micros,
            cause=cause,
            opened_at=self.now,
            expires_at=expires_at,
        )
        self._opened.append(reservation)
        return reservation

    def draw(
        self,
        *,
        reservation: Reservation | ReservationRow,
        credit_id: int,
        amount_micros: int,
        kind: str,
        cause: str,
    ) -> None:
        """Move reserved money. The rest stays reserved until `end()`.

        Raises: AmountInvalid, ReservationEnded (also when the amount is more than what is left).
        """
        require_amount(amount_micros)
        if reservation.state != _OPEN or amount_micros > reservation.amount_micros - reservation.drawn_micros:
            raise ReservationEnded(reservation_id=reservation.pk)
        debit = self.accounts[reservation.account_id]
        credit = self.accounts[credit_id]
        reservation.drawn_micros += amount_micros
        debit.held_micros -= amount_micros
        debit.balance_micros -= amount_micros
        credit.balance_micros += amount_micros
        self._touch(reservation)
        self._movements.append(Movement(debit.pk, credit_id, amount_micros, kind, cause, reservation))

    def shrink(self, *, reservation: Reservation | ReservationRow, left_micros: int) -> None:
        """Let a reservation promise only so much more; what it promised beyond that is available at once.

        Raises: ReservationEnded when it has ended before, or promises less already.
        """
        released = reservation.amount_micros - reservation.drawn_micros - left_micros
        if reservation.state != _OPEN or released < 0:
            raise ReservationEnded(reservation_id=reservation.pk)
        if released:
            reservation.amount_micros -= released
            self.accounts[reservation.account_id].held_micros -= released
            self._touch(reservation)

    def end(self, *, reservation: Reservation | ReservationRow, expired: bool = False) -> int:
        """End a reservation: posted if it was drawn on, else voided (or expired). Give what went back.

        Raises: ReservationEnded when it has ended before.
        """
        if reservation.state != _OPEN:
            raise ReservationEnded(reservation_id=reservation.pk)
        released = reservation.amount_micros - reservation.drawn_micros
        reservation.state = _POSTED if reservation.drawn_micros else _EXPIRED if expired else _VOIDED
        reservation.ended_at = self.now
        self.accounts[reservation.account_id].held_micros -= released
        self._touch(reservation)
        return released

    def transfer(self, *, debit_id: int, credit_id: int, amount_micros: int, kind: str, cause: str) -> None:
        """Move money that is available.

        Raises: AmountInvalid, InsufficientFunds.
        """
        require_amount(amount_micros)
        debit = self.accounts[debit_id]
        if amount_micros > debit.available_micros and debit.kind != Account.Kind.EXTERNAL:
            raise InsufficientFunds(available_micros=debit.available_micros, needed_micros=amount_micros)
        debit.balance_micros -= amount_micros
        self.accounts[credit_id].balance_micros += amount_micros
        self._movements.append(Movement(debit_id, credit_id, amount_micros, kind, cause))

    def write(self) -> None:
        """Write everything collected since the last `write()`. Needs the transaction that took the locks."""
        if self._is_told:
            changes = Changes()
            changes.add_balances(self.changed_accounts())
            changes.write(now=self.now)
        self._send_reservations()
        self.confirm()
        self._send_movements()

    def send(self) -> None:
        """As `write()`; but inside `pipelined()` it waits for nothing except the ids of new reservations.

        `confirm()` belongs before the commit.
        """
        self._send_reservations()
        self._send_movements()

    def confirm(self) -> None:
        """Make sure that every reservation was still there to be changed."""
        changed, wanted = self._changed
        if changed.count() != wanted:
            # Somebody ended one of them without holding its account: a bug, never a refusal.
            raise RuntimeError(f"{wanted - changed.count()} reservations ended behind the lock.")

    def changed_accounts(self) -> list[LockedAccount]:
        """The accounts whose balance or holds have changed since the last `write()` or `send()`."""
        before = self._before
        return [
            account
            for pk, account in self.accounts.items()
            if (account.balance_micros, account.held_micros) != before[pk]
        ]

    def _send_movements(self) -> None:
        bulk_sql.add_objects(Transfer, MOVED, self._movements, same={"at": self.now})
        deltas = [
            AccountDelta(account.pk, account.balance_micros - balance, account.held_micros - held)
            for account in self.changed_accounts()
            for balance, held in (self._before[account.pk],)
        ]
        bulk_sql.update_rows(Account, deltas, add=True)
        self._before = {
            account.pk: (account.balance_micros, account.held_micros) for account in self.accounts.values()
        }
        self._opened, self._touched, self._movements = [], {}, []

    def _touch(self, reservation: Reservation | ReservationRow) -> None:
        if reservation.pk is not None:
            self._touched[reservation.pk] = reservation

    def _send_reservations(self) -> None:
        touched = self._touched.values()
        changed = bulk_sql.update_objects(
            Reservation,
            ("amount_micros", "drawn_micros", "state", "ended_at"),
            touched,
            where="state = 'open'",
        )
        self._changed = changed, len(touched)
        bulk_sql.insert_objects(Reservation, self._opened)


def require_amount(amount_micros: int) -> None:
    """Raises: AmountInvalid unless it is a whole number from 1 to the largest amount."""
    if type(amount_micros) is not int or not 0 < amount_micros <= AMOUNT_MAX_MICROS:
        raise AmountInvalid(amount_max_micros=AMOUNT_MAX_MICROS)
