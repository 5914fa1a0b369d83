"""The agent's side of a supervisor: starts one, finds it again after a restart, and asks it to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from compute_market.runners.base import Ended, RunnerError
from compute_market.runners.descendants import start_ticks
from compute_market.runners.records import (
    OUTPUT_FILE,
    STATE_FILE,
    read_output,
    read_state,
    take_lock,
    write_deadline,
)
from compute_market.runners.supervised_container import ContainerCommand
from compute_market.runners.supervised_process import ProcessCommand
from compute_market.runners.supervisor import Command, Supervisor, boot_id

SUPERVISE = "supervise"
# Deadlines that differ by less are the same one, seen through the jitter of an answer.
DEADLINE_JITTER_S = 2.0


class Supervised:
    """A work with a supervisor in its folder, even if an earlier agent started it. See `base.Running`."""

    def __init__(self, folder: Path, *, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self.process = process
        self.state: dict[str, Any] = read_state(folder)
        self._ended: Ended | None = None
        self._ends_at = 0.0

    def has_begun(self) -> bool:
        if self.state.get("begun") is not True:
            self._look()
        return self.state.get("begun") is True

    def poll(self) -> Ended | None:
        if self._ended is None and not self._note_end() and not self.is_alive() and not self._note_end():
            self._ended = self.after_loss()
        return self._ended

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        try:
            return read_output(self.folder / OUTPUT_FILE, offset, limit)
        except FileNotFoundError:
            return offset, b""

    def run_until(self, ends_at: float) -> None:
        if abs(ends_at - self._ends_at) > DEADLINE_JITTER_S:
            # On a full disk the hub's next answer tries again; until then the agent stops it in time.
            with contextlib.suppress(OSError):
                write_deadline(self.folder, ends_at)
                self._ends_at = ends_at

    def stop(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.clean_up()

    def clean_up(self) -> None:
        """End what a killed supervisor left behind."""

    def after_loss(self) -> Ended | None:
        """The supervisor is gone and told no end: what to say, or None if another one has taken over."""
        self.clean_up()
        if self.state and self.state.get("boot") != boot_id():
            return Ended(None, "the machine was restarted")
        return Ended(None, "its supervisor was killed" if self.state else "its supervisor could not start")

    def is_alive(self) -> bool:
        """True if the supervisor lives."""
        if self.process is not None:
            return self.process.poll() is None
        try:
            lock = take_lock(self.folder)
        except FileNotFoundError:
            # Somebody removed the folder: the number and start time of the process are all there is to go by.
            return self._is_known_process()
        except OSError:
            # No descriptors or no memory left on this machine: that says nothing about the supervisor.
            return True
        if lock is not None:
            os.close(lock)
        return lock is None

    def signal(self, number: int) -> None:
        """Send the supervisor a signal, and never another process that has its number by now."""
        self._look()
        if self.process is not None:
            self.process.send_signal(number)
            return
        with contextlib.suppress(OSError, KeyError, TypeError):
            descriptor = os.pidfd_open(self.state["pid"])
            try:
                if self._is_known_process():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def _note_end(self) -> bool:
        self._look()
        if self.state.get("phase") == "over":
            code, reason = self.state.get("exit_code"), self.state.get("reason")
            self._ended = Ended(code if type(code) is int else None, str(reason or ""))
            if self.process is not None:
                # It has nothing left to do but exit.
                self.process.wait()
        return self._ended is not None

    def _look(self) -> None:
        self.state = read_state(self.folder) or self.state

    def _is_known_process(self) -> bool:
        pid, ticks = self.state.get("pid"), self.state.get("start_ticks")
        return (
            type(pid) is int
            and ticks is not None
            and self.state.get("boot") == boot_id()
            and start_ticks(pid) == ticks
        )


def start_supervisor(
    folder: Path,
    *,
    kind: str,
    command: Mapping[str, Any],
    facts: Mapping[str, Any],
    grace_s: float,
    ends_at: float,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a supervisor that runs a command of a kind in its folder. `facts` are for a later agent.

    Raises: RunnerError when the folder has a living supervisor already, OSError.
    """
    lock = take_lock(folder)
    if lock is None:
        raise RunnerError("It runs already.")
    try:
        # The state of an earlier run in this folder must not be taken for the new one's.
        (folder / STATE_FILE).unlink(missing_ok=True)
        write_deadline(folder, ends_at)
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [*_program(), str(folder), str(lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=dict(environment),
            pass_fds=[lock],
            start_new_session=True,
        )
    finally:
        os.close(lock)
    said = {"kind": kind, "command": command, "facts": facts, "grace_s": grace_s, "ends_at": ends_at}
    # One that died at once is noticed like any other that is lost.
    with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as pipe:
        pipe.write(json.dumps(said).encode())
    return process


def supervise(arguments: Sequence[str]) -> int:
    """Begin as a supervisor: the folder and its lock's descriptor; what to run comes by standard input."""
    folder, lock = Path(arguments[0]), int(arguments[1])
    os.set_inheritable(lock, False)
    said = json.load(sys.stdin)
    devnull = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(devnull, standard)
    kinds: dict[str, Callable[..., Command]] = {"process": ProcessCommand, "container": ContainerCommand}
    command = kinds[said["kind"]](folder=folder, **said["command"])
    supervisor = Supervisor(command, folder=folder, grace_s=said["grace_s"], ends_at=said["ends_at"])
    supervisor.run(said["facts"])
    return 0


def _program() -> list[str]:
    """The words that start a supervisor: this very file, or this package where it is not in one file."""
    if not __package__:
        return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), SUPERVISE]
    root = str(Path(__file__).resolve().parents[2])
    start = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import supervise; "
    return [sys.executable, "-I", "-S", "-c", f"{start}sys.exit(supervise(sys.argv[1:]))"]
