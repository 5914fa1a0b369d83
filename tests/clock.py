"""The time at which tests run: it begins at a fixed moment, so that no test depends on when it is run.

`BAZAAR_TEST_MOMENT` names another one; `script/moments` runs the tests at moments where clocks are odd.
Tests of REAL_TIME and of SERVERS alone see the clock of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

import time_machine

from foundation import clock

BEGUN = datetime.fromisoformat(os.environ.get("BAZAAR_TEST_MOMENT", "2026-11-04T09:20:00+00:00"))
REAL_TIME = {
    "wire/": "servers that are processes of their own go by the machine's clock, and so must their clients",
    "deploy/test_proxies.py": "front servers make certificates by the machine's clock",
    "operate/": "a reader's hub and bucket go by the machine's clock",
    "hub/blobstore/test_contract.py": "a real S3 server refuses what is signed at another time than its own",
}
"""Files and folders below `tests` whose tests see the clock of the machine, and why they must."""
SERVERS = {"live_sqlite", "live_postgres", "live_bazaar", "make_bazaar", "s3_store"}
"""Fixtures that start such servers: tests that ask for one see the clock of the machine too."""

_is_real_time = False


def is_real_time(path: str, fixtures: Iterable[str]) -> bool:
    """True if a test sees the clock of the machine: of a file, named from `tests` on, with these fixtures."""
    return not SERVERS.isdisjoint(fixtures) or any(
        path == name or (name.endswith("/") and path.startswith(name)) for name in REAL_TIME
    )


def moment() -> datetime:
    """Now, by the clocks of this process: the only way for a test to ask.

    Raises: AssertionError outside of a test, where no clock has been set: in a module, in a fixture of more
    than one test.
    """
    assert _is_real_time or time_machine.escape_hatch.is_travelling(), "No test has set the clock."
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


def before_the_tests() -> AbstractContextManager[None]:
    """The minute before `BEGUN`: for what a fixture makes once for several tests."""
    return begun_at(BEGUN - clock.MINUTE)


@contextmanager
def real_time() -> Iterator[None]:
    """Let `moment` give what the clock of the machine says, for a test of REAL_TIME or SERVERS."""
    global _is_real_time  # noqa: PLW0603 - a process has one clock
    _is_real_time = True
    try:
        yield
    finally:
        _is_real_time = False


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
