"""The log of a shard: appended to under the lock of the shard's row, read in the order of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import transaction

from compute_market.matching.engine import commands as words
from compute_market.matching.models import Command, Intake
from foundation.database import bulk_sql
from foundation.database.cursors import prepared_cursor

SEQUENCE_MAX = 2**63 - 1
KINDS: dict[str, type[words.Command]] = {
    "new": words.New,
    "amend": words.Amend,
    "cancel": words.Cancel,
    "cancel_all": words.CancelAll,
    "expire": words.Expire,
    "suspend": words.Suspend,
    "resume": words.Resume,
    "configure": words.Configure,
}
COLUMNS = (
    "sequence",
    "kind",
    "body",
    "account",
    "client_order_id",
    "fingerprint",
    "order",
    "reservation",
)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A command before it has its number; `body` is the engine's command without its sequence."""

    kind: str
    body: Sequence[int]
    account_id: int | None = None
    client_order_id: str | None = None
    fingerprint: str = ""
    order_id: int | None = None
    reservation_id: int | None = None


@dataclass(slots=True)
class Logged:
    """A command as it stands in the log."""

    sequence: int
    kind: str
    account_id: int | None
    reservation_id: int | None
    command: words.Command


def append(*, shard: int, entries: Sequence[Entry], now: datetime) -> int:
    """Give the next numbers to these commands and write them. Gives the first number.

    The shard's row stays locked until the commit, which should follow at once: it is the last lock that a
    transaction takes (docs/locking.md).
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The log is appended to inside a transaction.")
    first = _numbers(shard, len(entries))
    bulk_sql.add_rows(
        Command,
        COLUMNS,
        [
            (
                sequence,
                entry.kind,
                list(entry.body),
                entry.account_id,
                entry.client_order_id,
                entry.fingerprint,
                entry.order_id,
                entry.reservation_id,
            )
            for sequence, entry in enumerate(entries, start=first)
        ],
        same={"shard": shard, "accepted_at": now},
    )
    return first


def _numbers(shard: int, count: int) -> int:
    """Take `count` numbers, and the lock, in one statement; the row is made at the first need of it."""
    table = bulk_sql.table_of(Intake)
    sql = f"UPDATE {table} SET last_sequence = last_sequence + %s WHERE shard_id = %s RETURNING last_sequence"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [count, shard])
        row = cursor.fetchone()
        if row is None:
            Intake.objects.get_or_create(shard_id=shard)
            cursor.execute(sql, [count, shard])
            row = cursor.fetchone()
    return int(row[0]) - count + 1


def read(*, shard: int, after: int, limit: int, until: int = SEQUENCE_MAX) -> list[Logged]:
    """The commands that follow a number, as many as there are up to a limit."""
    sql = (
        f"SELECT sequence, kind, account_id, reservation_id, body FROM {bulk_sql.table_of(Command)}"  # noqa: S608
        " WHERE shard_id = %s AND sequence > %s AND sequence <= %s ORDER BY sequence LIMIT %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [shard, after, until, limit])
        return [
            Logged(sequence, kind, account_id, reservation_id, KINDS[kind](sequence, *orjson.loads(body)))
            for sequence, kind, account_id, reservation_id, body in cursor.fetchall()
        ]
