"""The database's clock: the one clock that every worker and web node of a deployment shares.

It decides everything that several machines must agree on, such as leases, heartbeats and order expiry, so
that a machine with a skewed clock does no harm. Doors and tasks read it once and pass `now` on; nothing below
them asks for the time. Moments are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

from foundation.database.cursors import prepared_cursor

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

_source: Callable[[], datetime] | None = None


def keep_time_by(source: Callable[[], datetime] | None) -> None:
    """Let this process take the time from elsewhere; None: from the database again. For tests."""
    global _source  # noqa: PLW0603 - a process has one clock
    _source = source


def database_now() -> datetime:
    """The database's time of this very moment (not of the transaction's start), in UTC."""
    if _source is not None:
        return _source()
    with prepared_cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            (moment,) = cursor.fetchone()
            return moment.astimezone(UTC)  # type: ignore[no-any-return]
        cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")
        (text,) = cursor.fetchone()
        return datetime.fromisoformat(text)


def floor_minute(moment: datetime) -> datetime:
    """The whole minute at or before a moment."""
    return moment.replace(second=0, microsecond=0)


def ceil_minute(moment: datetime) -> datetime:
    """The whole minute at or after a moment."""
    floor = floor_minute(moment)
    return floor if floor == moment else floor + MINUTE


def minutes_between(start: datetime, end: datetime) -> int:
    """Whole minutes from start to end; both lie on a minute."""
    return int((end - start) // MINUTE)
