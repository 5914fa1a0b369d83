"""Time on a node: a clock that never steps, and the hub's time. The machine's wall clock is not trusted."""

from __future__ import annotations

import threading
import time

# CLOCK_BOOTTIME goes on while the machine is suspended; CLOCK_MONOTONIC does not.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Seconds since the machine started, including those in which it was suspended. It never steps."""
    return time.clock_gettime(_BOOT_CLOCK)


class HubClock:
    """The hub's time, as its last answer told it. Until the first answer: the machine's own wall clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_of_boot: float | None = None

    def now(self) -> float:
        """The hub's time in Unix seconds."""
        with self._lock:
            ahead = self._ahead_of_boot
        return time.time() if ahead is None else boot_seconds() + ahead

    def set(self, unix_seconds: float) -> None:
        """Take over the time that the hub's answer carries."""
        with self._lock:
            self._ahead_of_boot = unix_seconds - boot_seconds()
