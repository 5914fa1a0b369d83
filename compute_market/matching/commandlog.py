"""The log of a shard: appended to under the lock of the shard's row, read in the order of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import transaction

from compute_market.matching import models
from compute_market.matching.engine.commands import KINDS, TYPES, Command
from foundation.database import bulk_sql
from foundation.database.cursors import prepared_cursor
from foundation.rows import maker

SEQUENCE_MAX = 2**63 - 1


@dataclass(slots=True, kw_only=True)
class Entry:
    """A command on its way into the log, where it gets its sequence; and whom and what it is about."""

    command: Command
    account_id: int | None = None
    client_order_id: str | None = None
    fingerprint: str = ""
    order_id: int | None = None
    reservation_id: int | None = None


class CommandRow(NamedTuple):
    """The columns of a command that are not the same for all of an append."""

    sequence: int
    kind: str
    body: list[int]
    account_id: int | None
    client_order_id: str | None
    fingerprint: str
    order_id: int | None
    reservation_id: int | None


make_command_row = maker(CommandRow)


class Logged(NamedTuple):
    """A command of the log, whose account's it is, and what an amendment holds in addition."""

    command: Command
    account_id: int | None
    reservation_id: int | None


def append(*, shard: int, entries: Sequence[Entry], now: datetime) -> int:
    """Give the next numbers to these commands and write them. Gives the first number.

    The shard's row stays locked until the commit, which should follow at once: it is the last lock that a
    transaction takes (docs/locking.md).
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The log is appended to inside a transaction.")
    first = _numbers(shard, len(entries))
    rows = [
        make_command_row(
            sequence=sequence,
            kind=KINDS[type(entry.command)],
            body=list(entry.command[1:]),
            account_id=entry.account_id,
            client_order_id=entry.client_order_id,
            fingerprint=entry.fingerprint,
            order_id=entry.order_id,
            reservation_id=entry.reservation_id,
        )
        for sequence, entry in enumerate(entries, start=first)
    ]
    bulk_sql.add_rows(models.Command, rows, same={"shard": shard, "accepted_at": now})
    return first


def _numbers(shard: int, count: int) -> int:
    """Take `count` numbers, and the lock, in one statement; the row is made at the first need of it."""
    table = bulk_sql.table_of(models.Intake)
    sql = f"UPDATE {table} SET last_sequence = last_sequence + %s WHERE shard_id = %s RETURNING last_sequence"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [count, shard])
        row = cursor.fetchone()
        if row is None:
            models.Intake.objects.get_or_create(shard_id=shard)
            cursor.execute(sql, [count, shard])
            row = cursor.fetchone()
    return int(row[0]) - count + 1


def read(*, shard: int, after: int, limit: int, until: int = SEQUENCE_MAX) -> list[Logged]:
    """The commands that follow a number, as many as there are up to a limit."""
    sql = (
        "SELECT kind, sequence, body, account_id, reservation_id"  # noqa: S608 - our own table's name
        f" FROM {bulk_sql.table_of(models.Command)}"
        " WHERE shard_id = %s AND sequence > %s AND sequence <= %s ORDER BY sequence LIMIT %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [shard, after, until, limit])
        return [
            Logged(TYPES[kind](sequence, *orjson.loads(body)), account_id, reservation_id)
            for kind, sequence, body, account_id, reservation_id in cursor.fetchall()
        ]
