"""A process that the supervisor keeps running: it is started again whenever it ends, with growing pauses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PAUSE_SECONDS_MAX = 30.0
# After so long a child counts as sound: its next end is the first again.
SOUND_SECONDS = 60.0
# A child that cannot be asked whether it is ready counts as ready when it has run for so long.
SETTLED_SECONDS = 3.0


def pause_after(falls: int) -> float:
    """Seconds between the end and the next start: none after the first fall, then 1, 2, 4, … and 30."""
    return 0.0 if falls <= 1 else min(2.0 ** min(falls - 2, 10), PAUSE_SECONDS_MAX)


@dataclass
class Child:
    """One part of the bazaar. Moments are seconds of `time.monotonic()`.

    `start` starts the process. Raises: OSError, ValueError, SubprocessError.
    `ready` tells whether the started process does its work; None where it cannot be asked.
    `is_needed`: the bazaar is not ready without it.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    ready: Callable[[], bool] | None = None
    is_needed: bool = True
    process: subprocess.Popen[bytes] | None = None
    # The fault, for people; empty while the part runs.
    problem: str = ""
    # Ends in a row, each less than SOUND_SECONDS after its start.
    falls: int = 0
    started_at: float = 0.0
    starts_at: float = 0.0

    def tick(self, now: float) -> str:
        """Look at the process, and start it if that is due. Gives a line for the terminal, mostly empty."""
        if self.process is None:
            return self._start(now) if now >= self.starts_at else ""
        if (code := self.process.poll()) is not None:
            return self._note_fall(f"ended with code {code}", now)
        if self.problem and self._is_up(now):
            self.problem = ""
            return f"{self.name} is up again." if self.falls > 1 else ""
        return ""

    def _start(self, now: float) -> str:
        try:
            self.process = self.start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return self._note_fall(f"could not be started ({error})", now)
        self.started_at = now
        self.problem = "is starting"
        return ""

    def _is_up(self, now: float) -> bool:
        return self.ready() if self.ready is not None else now - self.started_at >= SETTLED_SECONDS

    def _note_fall(self, what: str, now: float) -> str:
        if self.process is not None and now - self.started_at >= SOUND_SECONDS:
            self.falls = 0
        self.process = None
        self.falls += 1
        pause = pause_after(self.falls)
        self.starts_at = now + pause
        if not pause:
            self.problem = f"{what} and is starting again"
            return f"{self.name} {what}; starting it again."
        moment = datetime.now(UTC) + timedelta(seconds=pause)
        again = f"{what}, {self.falls} times in a row"
        self.problem = f"{again}; it is started again at {moment:%H:%M:%S} UTC"
        return f"{self.name} {again}; starting it again in {pause:g} seconds. The other parts go on."
