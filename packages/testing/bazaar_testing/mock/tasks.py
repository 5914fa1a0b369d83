"""Slow and lost tasks. Here a task runs when it is enqueued, so it is made to fail there."""

from __future__ import annotations

import time
from typing import Any

from celery.app.task import Task

from bazaar_testing.mock.rules import book


class FaultyTask(Task):  # type: ignore[type-arg]
    """The class of all tasks of a test's hub: a lost task is not done, a slow one later."""

    abstract = True

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        rule = book.meet_task(self.name)
        if rule is not None:
            time.sleep(rule.latency)
            if rule.lost:
                return None
        return super().apply_async(*args, **kwargs)
