"""All processes of one work, however they detach: found, and ended together.

By two means. A cgroup (version 2) of its own holds every descendant, and the kernel kills it as one. And the
supervisor is a *subreaper*: processes whose parents end become its children, never those of init, so a walk
down from it finds also what ran `setsid`, forked twice, or moved itself to another cgroup.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
PROC = Path("/proc")


def prctl(option: int, value: int) -> bool:
    """Set a property of this process; whether the kernel took it."""
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def descendants(root: int) -> set[int]:
    """The living processes below a process, itself not among them. Zombies are not alive."""
    children: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for pid in all_pids():
        if found := _parent_and_state(pid):
            parent, state = found
            children[parent].append((pid, state not in "ZX"))
    found_alive: set[int] = set()
    waiting = [root]
    while waiting:
        for pid, is_alive in children[waiting.pop()]:
            waiting.append(pid)
            if is_alive:
                found_alive.add(pid)
    return found_alive


def all_pids() -> list[int]:
    """The numbers of all processes of the machine."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def end_descendants(root: int, *, timeout_s: float, reap: Callable[[], object]) -> bool:
    """Kill all processes below one; whether none is left. New children of those being killed are found too.

    `reap` takes note of children of this process that have ended.
    """
    deadline = time.monotonic() + timeout_s
    while left := descendants(root):
        # Stopped first: a process that forks faster than it is found stands still.
        send(left, signal.SIGSTOP)
        send(descendants(root), signal.SIGKILL)
        reap()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes that may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def reap() -> dict[int, int]:
    """Take note of children that have ended: process number → exit code (negative: the signal)."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def end_strays(folder: Path, *, timeout_s: float = 5.0) -> None:
    """Kill what a killed supervisor left: processes whose environment names the work's folder."""
    mark = os.fsencode(folder / "work")
    deadline = time.monotonic() + timeout_s
    while strays := [pid for pid in all_pids() if _names(pid, mark)]:
        send(strays, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def start_ticks(pid: int) -> str | None:
    """The start of a process, in the kernel's ticks since the boot; None if there is no such process."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


class Cgroup:
    """A control group of version 2 below the one of this process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, name: str) -> Cgroup | None:
        """A new, empty group; None where this machine or this user has none to give."""
        base = _own_cgroup()
        if base is None:
            return None
        path = base / name
        try:
            path.mkdir(exist_ok=True)
        except OSError:
            return None
        return cls(path) if os.access(path / "cgroup.procs", os.W_OK) else None

    def enter(self) -> None:
        """Move this process into the group. Raises: OSError."""
        (self.path / "cgroup.procs").write_text("0")

    def limit(self, file: str, value: int) -> None:
        """Set a limit such as `memory.max` where the controller was given to this group."""
        with contextlib.suppress(OSError):
            if (self.path / file).exists():
                (self.path / file).write_text(str(value))

    def end(self, *, timeout_s: float, reap: Callable[[], object]) -> None:
        """Kill all processes of the group and remove it. `reap`: as for `end_descendants`."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(OSError):
            while pids := [int(line) for line in (self.path / "cgroup.procs").read_text().split()]:
                try:
                    (self.path / "cgroup.kill").write_text("1")
                except OSError:
                    send(pids, signal.SIGKILL)
                reap()
                if time.monotonic() > deadline:
                    return
                time.sleep(0.01)
        with contextlib.suppress(OSError):
            for child in sorted(self.path.glob("**/"), reverse=True):
                child.rmdir()


def _own_cgroup() -> Path | None:
    """The folder of this process's own group of version 2."""
    with contextlib.suppress(OSError):
        mounts = [line.split() for line in (PROC / "self/mountinfo").read_text().splitlines()]
        roots = [fields[4] for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"]
        for line in (PROC / "self/cgroup").read_text().splitlines():
            if line.startswith("0::") and roots:
                return Path(roots[0]) / line.removeprefix("0::").lstrip("/")
    return None


def _parent_and_state(pid: int) -> tuple[int, str] | None:
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[1]), fields[0]
    except (OSError, IndexError, ValueError):
        return None


def _names(pid: int, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        if pid != os.getpid() and mark in (PROC / str(pid) / "environ").read_bytes():
            return (found := _parent_and_state(pid)) is not None and found[1] not in "ZX"
    return False
