"""The database's clock, what may stand in for it, and whole minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from foundation import clock
from tests.clock import stopped_at

NOON = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_the_database_tells_the_time_in_utc() -> None:
    former = clock._source
    clock.keep_time_by(None)
    try:
        first, second = clock.database_now(), clock.database_now()
    finally:
        clock.keep_time_by(former)
    assert first.utcoffset() == second.utcoffset() == timedelta(0)


def test_another_source_may_tell_the_time() -> None:
    with stopped_at(NOON):
        assert clock.database_now() == NOON


@pytest.mark.parametrize(
    ("seconds", "floor", "ceil"), [(0, 0, 0), (0.000001, 0, 1), (59.999999, 0, 1), (60, 1, 1), (-1, -1, 0)]
)
def test_minutes_at_or_before_and_at_or_after(seconds: float, floor: int, ceil: int) -> None:
    moment = NOON + timedelta(seconds=seconds)
    assert clock.floor_minute(moment) == NOON + floor * clock.MINUTE
    assert clock.ceil_minute(moment) == NOON + ceil * clock.MINUTE


def test_minutes_between_two_whole_minutes() -> None:
    assert clock.minutes_between(NOON, NOON + 2 * clock.HOUR) == 120
