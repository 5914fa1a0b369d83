"""Calls of the periodic tasks, as beat sends them, in a live hub (`tests.servers.remote`)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

from bazaar.celery import app


def run_all(at_once: int) -> list[str]:
    """Run every periodic task, so many times at the same time. Returns the failures, with tracebacks."""
    failures: list[str] = []
    names = sorted({str(entry["task"]) for entry in app.conf.beat_schedule.values()})
    for name in names:
        begun = threading.Barrier(at_once)
        runs = [threading.Thread(target=_run, args=(name, begun.wait, failures)) for _ in range(at_once)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    return failures


def _run(name: str, begin: Callable[[], object], failures: list[str]) -> None:
    begin()
    result = app.tasks[name].apply()
    if result.failed():
        failures.append(f"{name}: {result.traceback}")
    connections.close_all()
