"""Events of an account, for the private stream of its owner: changed orders, fills, leases and balances.

An event is a row that is written in the transaction of the change, without a number: numbering there would
need a lock of every account that a batch of trades touches. A reader numbers the committed events of its
account, under a lock of that account's `AccountStream` alone. So numbers have no gap, an event has the same
number for every reader, and an account that nobody follows costs one row a batch (docs/adr/0176).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef

from compute_market import event_channel
from compute_market.ledger.models import Account, AccountEvent, AccountStream
from foundation.database import bulk_sql
from foundation.held_rows import held_row

CHANGES_A_ROW = 100
"""A bulk of a thousand orders is several events, so that none outgrows a reader's buffer."""
NUMBERED_AT_ONCE = 1000
KEPT = timedelta(days=3)
KEPT_MOST = 50_000
UNFOLLOWED_KEPT = timedelta(hours=1)
TOPIC = "account/"

# The parts of an event, each a list: orders and fills as in `matching.clearing.account_changes`, leases as in
# `leases.lifecycle`, balances as (kind, balance, held).
ORDERS, FILLS, LEASES, BALANCES = "orders", "fills", "leases", "balances"


class EventRow(NamedTuple):
    """The columns of a new event that are not the same for all of a commit."""

    account_id: int
    payload: dict[str, list[Any]]


class NumberRow(NamedTuple):
    """The number of an event that has got one."""

    pk: int
    number: int


class Changes:
    """Collects what one transaction changes for any number of accounts; `write()` makes events of it."""

    def __init__(self) -> None:
        self._of: dict[int, list[tuple[str, Sequence[Any]]]] = defaultdict(list)

    def add(self, account_id: int, kind: str, change: Sequence[Any]) -> None:
        """A change of an account (a main one), as the kind's renderer reads it."""
        self._of[account_id].append((kind, tuple(change)))  # a plain one, for the JSON encoder

    def add_balances(self, accounts: Iterable[Account]) -> None:
        """The present balances of accounts; a bond is reported to the main account of its namespace."""
        bonds = []
        for account in accounts:
            if account.kind == Account.Kind.MAIN:
                self.add(account.pk, BALANCES, (account.kind, account.balance_micros, account.held_micros))
            elif account.kind == Account.Kind.BOND:
                bonds.append(account)
        if bonds:
            owners = [bond.namespace_id for bond in bonds]
            mains = Account.objects.filter(namespace__in=owners, kind=Account.Kind.MAIN)
            main_of = dict(mains.values_list("namespace", "pk"))
            for bond in bonds:
                if bond.namespace_id in main_of:
                    said = (Account.Kind.BOND.value, bond.balance_micros, bond.held_micros)
                    self.add(main_of[bond.namespace_id], BALANCES, said)

    def write(self, *, now: datetime) -> None:
        """Write the events, inside the transaction that makes them true, and announce them at its commit."""
        events = []
        for account_id, changes in self._of.items():
            for first in range(0, len(changes), CHANGES_A_ROW):
                payload: dict[str, list[Any]] = {}
                for kind, change in changes[first : first + CHANGES_A_ROW]:
                    payload.setdefault(kind, []).append(change)
                events.append(EventRow(account_id, payload))
        bulk_sql.add_rows(AccountEvent, events, same={"at": now})
        event_channel.publish(f"{TOPIC}{account_id}" for account_id in self._of)


class Span(NamedTuple):
    """The numbers that a stream has: those above `before`, up to `newest`."""

    before: int
    newest: int


class NumberedEvent(NamedTuple):
    """An event of one account: `number` grows by one from event to event."""

    number: int
    at: datetime
    payload: dict[str, list[Any]]


def follow(account_id: int) -> Span:
    """Begin to number an account's events, if no stream has read it yet, and return the numbers that exist.

    Orders, leases and balances that are read afterwards are at least as new as event `newest`.
    """
    if not AccountStream.objects.filter(account=account_id).exists():
        with transaction.atomic():
            _, is_new = AccountStream.objects.get_or_create(account_id=account_id)
            if is_new:  # these have no numbers yet, so no reader can ask for them
                AccountEvent.objects.filter(account=account_id, number=None).delete()
    _number_all(account_id)
    newest = AccountStream.objects.get(account=account_id).last_number
    oldest = AccountEvent.objects.filter(account=account_id).aggregate(oldest=Min("number"))["oldest"]
    return Span(before=newest if oldest is None else oldest - 1, newest=newest)


def read(account_id: int, *, after: int, limit: int) -> list[NumberedEvent]:
    """The events of an account that is followed, above a number and in order, at most `limit`."""
    _number_all(account_id)
    found = AccountEvent.objects.filter(account=account_id, number__gt=after).order_by("number")
    return [
        NumberedEvent(event.number, event.at, event.payload)
        for event in found[:limit]
        if event.number is not None
    ]


def prune(*, now: datetime) -> int:
    """Delete events that are too old, too many for their account, or of accounts that no stream reads.

    Events of accounts that a stream reads are numbered before, so a late reader can detect the gap.
    """
    unfollowed = AccountEvent.objects.filter(number=None, at__lt=now - UNFOLLOWED_KEPT).filter(
        ~Exists(AccountStream.objects.filter(account=OuterRef("account")))
    )
    gone, _ = unfollowed.delete()
    for account_id in list(AccountStream.objects.order_by("pk").values_list("pk", flat=True)):
        _number_all(account_id)
        mine = AccountEvent.objects.filter(account=account_id).exclude(number=None)
        newest = mine.aggregate(newest=Max("number"))["newest"] or 0
        old, _ = mine.filter(at__lt=now - KEPT).delete()
        many, _ = mine.filter(number__lte=newest - KEPT_MOST).delete()
        gone += old + many
    return gone


def _number_all(account_id: int) -> None:
    """Number the committed events of an account, in the order in which they were written."""
    unnumbered = AccountEvent.objects.filter(account=account_id, number=None)
    while unnumbered.exists():
        with transaction.atomic():
            stream = held_row(AccountStream.objects.select_for_update().filter(account=account_id))
            pks = list(unnumbered.order_by("pk").values_list("pk", flat=True)[:NUMBERED_AT_ONCE])
            first = stream.last_number + 1
            numbers = [NumberRow(pk, number) for number, pk in enumerate(pks, start=first)]
            bulk_sql.update_rows(AccountEvent, numbers)
            stream.last_number += len(pks)
            stream.save(update_fields=["last_number"])
