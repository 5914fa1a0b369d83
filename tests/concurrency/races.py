"""Two things at once: threads with their own database connections that start together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection


def race(*runners: Callable[[], object]) -> list[object]:
    """Run them at the same time; give what each returned, or the exception it raised."""
    barrier = Barrier(len(runners))

    def run(runner: Callable[[], object]) -> object:
        try:
            barrier.wait(timeout=10)
            return runner()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(runners)) as pool:
        return list(pool.map(run, runners))


def kinds(outcomes: Sequence[object]) -> list[str]:
    """The names of the outcomes' types, sorted."""
    return sorted(type(outcome).__name__ for outcome in outcomes)
