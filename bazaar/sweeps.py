"""The state of the periodic tasks: when each ran last, and the error that stopped it, if any.

Kept in Redis, one field a task: it is for looking at, and nothing depends on it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from celery.signals import task_postrun

from bazaar.celery import app
from foundation import redis_connection

ERROR_CHARS_MAX = 300
# A sweep that has not run for so many of its periods, and no less than this, is late.
LATE_PERIODS, LATE_LEAST = 3, timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One line of the timetable. `key` names it for programs. `ran_at` None: not since Redis was started."""

    key: str
    name: str
    period: timedelta
    ran_at: datetime | None
    error: str

    def is_late(self, now: datetime) -> bool:
        return self.ran_at is not None and now - self.ran_at > max(LATE_PERIODS * self.period, LATE_LEAST)


def _key() -> str:
    return redis_connection.key("sweeps")


@task_postrun.connect
def _note(task: Any, state: str, retval: object, **_: object) -> None:
    if task.name not in {line["task"] for line in app.conf.beat_schedule.values()}:
        return
    error = f"{type(retval).__name__}: {retval}"[:ERROR_CHARS_MAX] if state == "FAILURE" else ""
    try:
        redis_connection.connection().hset(_key(), task.name, json.dumps([time.time(), error]))
    except redis.RedisError:
        return


def report() -> list[Sweep]:
    """The whole timetable; without Redis nothing is known of when."""
    try:
        kept = redis_connection.connection().hgetall(_key())
    except redis.RedisError:
        kept = {}
    found = []
    for name, line in app.conf.beat_schedule.items():
        at, error = json.loads(kept.get(line["task"].encode(), b'[null, ""]'))
        ran_at = datetime.fromtimestamp(at, UTC) if at is not None else None
        found.append(Sweep(name, name.replace("-", " "), timedelta(seconds=line["schedule"]), ran_at, error))
    return found
