"""Counts of what happens, for metrics: tasks of workers, and leases that end otherwise than was bought."""

from __future__ import annotations

import time
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.dispatch import receiver
from prometheus_client import Counter, Summary

from compute_market.leases.signals import lease_moved

TASK_SECONDS = Summary("bazaar_task_seconds", "Time that tasks of workers took.", ["task"])
TASK_FAILURES = Counter("bazaar_task_failures", "Tasks that ended with an error.", ["task"])
# A move whose transaction is rolled back is counted all the same.
LEASE_MOVES = Counter("bazaar_market_lease_moves", "Changes of the state of leases.", ["state"])

# The ids of tasks that run in this process → when they began.
_begun: dict[str, float] = {}


@task_prerun.connect
def _begin(task_id: str, **_: Any) -> None:
    _begun[task_id] = time.perf_counter()


@task_postrun.connect
def _end(task_id: str, task: Any, state: str, **_: Any) -> None:
    begun = _begun.pop(task_id, None)
    if begun is not None:
        TASK_SECONDS.labels(task.name).observe(time.perf_counter() - begun)
    if state == "FAILURE":
        TASK_FAILURES.labels(task.name).inc()


@receiver(lease_moved)
def _count_move(state: str, **_: Any) -> None:
    LEASE_MOVES.labels(str(state)).inc()
