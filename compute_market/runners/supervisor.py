"""The supervisor of one work: a small process between the agent and the command, which outlives the agent.

It is the command's parent, so it knows the exit code. It keeps the newest output. It ends the command with
all its descendants: when the agent asks (SIGTERM), at the deadline even if there is no agent, and also when
the command ends by itself and leaves children. The agent finds it again by files (`records`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
from pathlib import Path
from typing import Any, Protocol

from compute_market.runners.base import Ended
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.descendants import start_ticks
from compute_market.runners.records import (
    OUTPUT_FILE,
    STATE_FILE,
    OutputWriter,
    StateWriter,
    read_deadline,
)

READ_BYTES = 256 * 1024
PIPE_BYTES = 1024 * 1024
TICK_S = 0.3
IDLE_TICK_S = 5.0
# Seconds for which output that is still in the pipe is read after the command and its children have ended.
DRAIN_S = 2.0
# Seconds after its grace period before the supervisor kills the command, repeatedly.
FORCE_AGAIN_S = 10.0
ENDED_REASON_MAX = 300
VERSION = 1


class Command(Protocol):
    """A kind of command that can be supervised."""

    def start(self, output: int) -> None:
        """Start it, with its output going to a descriptor. Raises: CannotStart, OSError."""

    def has_begun(self) -> bool:
        """True if the command itself runs."""

    def poll(self) -> Ended | None:
        """The end of the command, or None."""

    def terminate(self) -> None:
        """Ask it to end."""

    def end(self) -> None:
        """End it, and all that is left of it, by force."""


class CannotStart(Exception):
    """The command could not be started, with a reason for its owner."""


class Supervisor:
    """Runs one command to its end."""

    def __init__(self, command: Command, *, folder: Path, grace_s: float, ends_at: float) -> None:
        self.command = command
        self.folder = folder
        self.grace_s = grace_s
        self.ends_at = ends_at
        self.asked_to_stop = False
        self._force_at: float | None = None
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self, facts: dict[str, Any]) -> None:
        """Supervise until the command is over; `facts` are kept in the state for an agent to come."""
        self._listen()
        state = StateWriter(
            self.folder / STATE_FILE,
            {**facts, "version": VERSION, "phase": "starting", "pid": os.getpid(), "begun": False}
            | {"start_ticks": start_ticks(os.getpid()), "boot": boot_id()},
        )
        try:
            output = OutputWriter(self.folder / OUTPUT_FILE)
            reader, writer = os.pipe()
            with contextlib.suppress(OSError):
                fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            os.set_blocking(reader, False)
            try:
                self.command.start(writer)
            finally:
                os.close(writer)
        except CannotStart as error:
            ended = Ended(None, str(error))
        except OSError as error:
            ended = Ended(None, f"the node could not start it: {error.strerror or error}")
        else:
            ended = self._follow(reader, output, state)
        state.update(phase="over", exit_code=ended.exit_code, reason=ended.reason[:ENDED_REASON_MAX])

    def _listen(self) -> None:
        os.set_blocking(self._wake_writer, False)
        os.set_blocking(self._wake_reader, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: self._ask())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The terminal and the service manager speak to the agent, not to what it leaves running.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)

    def _ask(self) -> None:
        self.asked_to_stop = True

    def _follow(self, reader: int, output: OutputWriter, state: StateWriter) -> Ended:
        poller = select.poll()
        poller.register(reader, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        is_open, has_begun = True, False
        while (ended := self.command.poll()) is None:
            if not has_begun and self.command.has_begun():
                has_begun = True
                with contextlib.suppress(OSError):
                    state.update(phase="running", begun=True)
            self._stop_if_asked()
            for descriptor, _ in poller.poll(self._wait_s(has_begun=has_begun) * 1000):
                if descriptor == self._wake_reader:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_reader, 4096)
                elif not self._pass_on(reader, output):
                    poller.unregister(reader)
                    is_open = False
        self.command.end()
        deadline = time.monotonic() + DRAIN_S
        while is_open and time.monotonic() < deadline:
            is_open = not select.select([reader], [], [], 0.05)[0] or self._pass_on(reader, output)
        if not has_begun and self.command.has_begun():
            with contextlib.suppress(OSError):
                state.update(begun=True)
        return ended

    def _wait_s(self, *, has_begun: bool) -> float:
        """Seconds to wait for output, a signal or the end of a child before the next check."""
        if self.asked_to_stop or not has_begun:
            return TICK_S
        return min(IDLE_TICK_S, max(TICK_S, self.ends_at - boot_seconds()))

    def _stop_if_asked(self) -> None:
        now = boot_seconds()
        if not self.asked_to_stop and now >= self.ends_at:
            # The agent moves the deadline by this file, so it is read only when it seems to have come.
            self.ends_at = read_deadline(self.folder, self.ends_at)
            self.asked_to_stop = now >= self.ends_at
        if not self.asked_to_stop:
            return
        if self._force_at is None:
            self.command.terminate()
            self._force_at = now + self.grace_s
        elif now >= self._force_at:
            self.command.end()
            self._force_at = now + FORCE_AGAIN_S

    def _pass_on(self, reader: int, output: OutputWriter) -> bool:
        """Keep what is in the pipe; whether more may come."""
        try:
            data = os.read(reader, READ_BYTES)
        except BlockingIOError:
            return True
        # The room was taken before: this fails only where somebody damages the file.
        with contextlib.suppress(OSError):
            output.append(data)
        return bool(data)


def boot_id() -> str:
    """An id of the machine's present boot; empty if the kernel gives none."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
