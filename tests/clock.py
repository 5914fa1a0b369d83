"""The time at which tests run: it begins at a fixed moment, so that no test depends on when it is run.

`BAZAAR_TEST_MOMENT` names another one; `script/moments` runs the tests at moments where clocks are odd.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import time_machine

from foundation import clock

BEGUN = datetime.fromisoformat(os.environ.get("BAZAAR_TEST_MOMENT", "2026-11-04T09:20:00+00:00"))


def moment() -> datetime:
    """Now, by the clocks of this process: the only way for a test to ask. Tests of rooms begin at `BEGUN`."""
    return datetime.now(UTC)


def file_moment() -> datetime:
    """The moment that files are dated by, also where the clocks of this process were moved."""
    hatch = time_machine.escape_hatch
    return hatch.datetime.datetime.now(UTC) if hatch.is_travelling() else moment()


@contextmanager
def begun_at(moment: datetime) -> Iterator[None]:
    """Let the clocks of this process, and the market's, go on from a moment."""
    with time_machine.travel(moment, tick=True), _market_clock(stopped=None):
        yield


@contextmanager
def stopped_at(moment: datetime) -> Iterator[None]:
    """Let the market's clock stand still."""
    with _market_clock(stopped=moment):
        yield


@contextmanager
def _market_clock(*, stopped: datetime | None) -> Iterator[None]:
    former = clock._source
    clock.keep_time_by(lambda: stopped or moment())
    try:
        yield
    finally:
        clock.keep_time_by(former)
