"""Slow and lost tasks. In mock mode a task runs when it is enqueued, so it is made to fail there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bazaar.mock.rules import book


def with_faults(apply_async: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `Task.apply_async`: a lost task is not done, a slow one later."""

    def faulty(task: Any, *args: Any, **kwargs: Any) -> Any:
        rule = book.meet_task(task.name)
        if rule is not None:
            time.sleep(rule.latency)
            if rule.lost:
                return None
        return apply_async(task, *args, **kwargs)

    return faulty
