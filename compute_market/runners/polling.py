"""The times at which the agent asks the hub for work: rarely if the hub can wake it, at once when it does."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

from compute_market.runners.clocks import boot_seconds

# Seconds between two polls, if the hub gives no interval.
POLL_DEFAULT_S = 2.0
# However often it is woken, and whatever the hub says.
POLL_LEAST_S, POLL_MOST_S = 0.2, 120.0
# After a question that was not answered.
POLL_RETRY_S = 5.0
# Seconds between two checks of the agent's works.
LOOK_S = 1.0


class Polling:
    """The times of the control thread. `wake` may be called from any thread."""

    def __init__(self, *, fixed_s: float | None, has_wakeups: Callable[[], bool]) -> None:
        """`fixed_s` is the operator's own interval, which overrides what the hub says."""
        self._fixed_s = fixed_s
        self._has_wakeups = has_wakeups
        self._woken = threading.Event()
        self._asked_at = -math.inf
        self._woken_s = self._unwoken_s = POLL_DEFAULT_S

    def wake(self) -> None:
        """Ask as soon as may be."""
        self._woken.set()

    def begin(self) -> float:
        """Record that a poll begins now; returns its time. A later wake-up leads to another poll."""
        self._woken.clear()
        self._asked_at = boot_seconds()
        self._woken_s = self._unwoken_s = POLL_RETRY_S
        return self._asked_at

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Take over what the hub says of the next time."""
        self._woken_s = _seconds(answer.get("poll_seconds"))
        self._unwoken_s = _seconds(answer.get("poll_seconds_unwoken"))

    def seconds_left(self) -> float:
        """Seconds until the next poll; 0 if it is due."""
        if self._woken.is_set():
            every = POLL_LEAST_S
        elif self._fixed_s is not None:
            every = self._fixed_s
        else:
            every = self._woken_s if self._has_wakeups() else self._unwoken_s
        return max(0.0, self._asked_at + every - boot_seconds())


def _seconds(said: object) -> float:
    """An interval of the hub's, within reason."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return POLL_DEFAULT_S
    return min(max(float(said), POLL_LEAST_S), POLL_MOST_S)
