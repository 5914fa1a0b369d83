"""Draining a shard: claim it, read what follows its cursor, match in memory, commit the whole batch at once.

The worker that drains a shard holds a claim on it for a few seconds, renewed by every commit. A worker that
was stopped and continues after its claim ran out finds another epoch at its commit, which is rolled back.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from compute_market.matching import commandlog, engine, limits
from compute_market.matching.clearing import settlement, shard_engines
from compute_market.matching.models import Cursor, Intake, Snapshot
from compute_market.matching.signals import shard_drained
from foundation import spans
from foundation.database import bulk_sql
from foundation.database.cursors import pipelined, prepared_cursor
from foundation.garbage_collection import collector_paused


class StaleEpoch(Exception):
    """Somebody else took the shard over; nothing of this batch was written."""


@dataclass(slots=True)
class Claim:
    """The right to drain a shard: where it stands, and under which epoch."""

    shard: int
    holder: str
    epoch: int
    sequence: int
    event_number: int


def claim(*, shard: int, holder: str) -> Claim | None:
    """Claim a shard, by the database's clock; None if another worker drains it."""
    sql = (
        f"UPDATE {bulk_sql.table_of(Cursor)}"  # noqa: S608 - our own table's name
        f" SET epoch = epoch + 1, holder = %s, held_until = {_later()}"
        f" WHERE shard_id = %s AND (held_until IS NULL OR held_until < {_moment()})"
        " RETURNING epoch, sequence, event_number"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [holder, shard])
        row = cursor.fetchone()
        if row is None and Cursor.objects.get_or_create(shard_id=shard)[1]:
            cursor.execute(sql, [holder, shard])
            row = cursor.fetchone()
    return Claim(shard, holder, *row) if row else None


def release(held: Claim) -> None:
    """Let others drain the shard, unless they do already."""
    sql = (
        f"UPDATE {bulk_sql.table_of(Cursor)}"  # noqa: S608 - our own table's name
        " SET holder = '', held_until = NULL WHERE shard_id = %s AND epoch = %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [held.shard, held.epoch])


def has_work(shard: int) -> bool:
    """True if commands wait behind the cursor."""
    sql = (
        f"SELECT 1 FROM {bulk_sql.table_of(Intake)} taken LEFT JOIN {bulk_sql.table_of(Cursor)} done"  # noqa: S608
        " ON done.shard_id = taken.shard_id"
        " WHERE taken.shard_id = %s AND taken.last_sequence > COALESCE(done.sequence, 0)"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [shard])
        return cursor.fetchone() is not None


def drain_batch(held: Claim, *, now: datetime) -> int:
    """Drain one batch in one commit and move the claim on. Gives how many commands it had.

    Raises: StaleEpoch, shard_engines.Diverged.
    """
    with spans.span("market.drain_batch", shard=held.shard), collector_paused():
        return _drain_batch(held, now)


def _drain_batch(held: Claim, now: datetime) -> int:
    shard_engine = shard_engines.at(shard=held.shard, sequence=held.sequence, event_number=held.event_number)
    logged = commandlog.read(shard=held.shard, after=held.sequence, limit=limits.batch_size())
    if not logged:
        shard_engines.keep(shard_engine)
        return 0
    events, changed = shard_engine.apply(logged)
    with transaction.atomic(durable=True), pipelined():
        _guard(held)
        trades = settlement.commit_batch(
            shard_engine=shard_engine, logged=logged, events=events, changed=changed, now=now
        )
        _advance(held, shard_engine.matcher)
    held.sequence, held.event_number = shard_engine.matcher.sequence, shard_engine.matcher.number
    shard_engine.depth.forget_empty(changed)
    shard_engines.keep(shard_engine)
    shard_drained.send(sender=None, shard=held.shard, trades=trades, now=now)
    return len(logged)


def take_snapshot(*, shard: int, now: datetime) -> Snapshot | None:
    """Keep the engine's state, if the log has grown enough since the last time."""
    sql = (
        "SELECT sequence, event_number,"  # noqa: S608 - our own tables' names
        f" (SELECT COALESCE(MAX(kept.sequence), 0) FROM {bulk_sql.table_of(Snapshot)} kept"
        f" WHERE kept.shard_id = place.shard_id) FROM {bulk_sql.table_of(Cursor)} place WHERE shard_id = %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [shard])
        row = cursor.fetchone()
    if row is None:
        return None
    sequence, event_number, newest = row
    if sequence - newest < limits.snapshot_commands():
        return None
    shard_engine = shard_engines.at(shard=shard, sequence=sequence, event_number=event_number)
    state = engine.dump(shard_engine.matcher)
    shard_engines.keep(shard_engine)
    snapshot, _ = Snapshot.objects.get_or_create(
        shard_id=shard,
        sequence=sequence,
        defaults={
            "event_number": event_number,
            "state": zlib.compress(state, 1),
            "state_hash": engine.state_hash(shard_engine.matcher),
            "taken_at": now,
        },
    )
    return snapshot


def _guard(held: Claim) -> None:
    """Lock the cursor for this commit, and make sure that it is still where we left it.

    A worker that is stopped in the middle of its commit must not keep its locks: PostgreSQL ends its
    transaction for it.
    """
    columns = "epoch, sequence, event_number"
    sql = f"SELECT {columns} FROM {bulk_sql.table_of(Cursor)} WHERE shard_id = %s"  # noqa: S608
    params: list[int | str] = [held.shard]
    if connection.vendor == "postgresql":
        timeout = "set_config('idle_in_transaction_session_timeout', %s, true)"
        sql = f"SELECT {columns} FROM ({sql} FOR UPDATE) place, {timeout}"  # noqa: S608
        params.append(str(limits.claim_seconds() * 1000))
    with prepared_cursor() as cursor:
        cursor.execute(sql, params)
        place = cursor.fetchone()
    if place != (held.epoch, held.sequence, held.event_number):
        raise StaleEpoch(f"Shard {held.shard} is at {place}, we were at {held}.")


def _advance(held: Claim, matcher: engine.Engine) -> None:
    sql = (
        f"UPDATE {bulk_sql.table_of(Cursor)}"  # noqa: S608 - our own table's name
        f" SET sequence = %s, event_number = %s, drained_at = {_moment()},"
        f" held_until = {_later()} WHERE shard_id = %s AND epoch = %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [matcher.sequence, matcher.number, held.shard, held.epoch])
        if cursor.rowcount != 1:
            raise StaleEpoch(f"Shard {held.shard} has another epoch than {held.epoch}.")


def _moment() -> str:
    if connection.vendor == "postgresql":
        return "clock_timestamp()"
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"


def _later() -> str:
    seconds = limits.claim_seconds()
    if connection.vendor == "postgresql":
        return f"clock_timestamp() + interval '{seconds} seconds'"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+{seconds} seconds')"
