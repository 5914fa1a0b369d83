"""Full hours, as the market trades them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def floor_hour(value: datetime) -> datetime:
    return value.replace(minute=0, second=0, microsecond=0)


def next_hour() -> datetime:
    return floor_hour(datetime.now(UTC)) + timedelta(hours=1)
