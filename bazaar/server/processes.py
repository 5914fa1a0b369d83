"""Child processes: started so that they never outlive us, stopped politely and then for certain."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessFailed(RuntimeError):
    """A child ended, or did not become ready in time; the message says which and why."""


def end_with_parent(by: signal.Signals, *, parent: int) -> None:
    """Have the kernel send this process the signal when the thread that started it ends, even by SIGKILL.

    `parent` is the id of the process that started this one: it may have ended before this call.

    Does nothing where the system is not Linux: there a supervisor that was killed leaves children, which the
    next start finds by their socket.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:
            os.kill(os.getpid(), by)


def spawn(
    argv: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    user: int | None = None,
    orphaned: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, both its outputs going to `output`.

    `orphaned` is what ends it when we are killed.

    A group of its own means that Ctrl-C reaches the supervisor alone, which then stops its
    children in order.
    """
    return subprocess.Popen(  # noqa: S603 - the callers' own commands, never a shell
        [os.fspath(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=True,
        preexec_fn=partial(end_with_parent, orphaned, parent=os.getpid()),  # noqa: PLW1509 - one system call, nothing that takes a lock
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
    )


def stop(
    process: subprocess.Popen[bytes],
    *,
    patience_seconds: float = 10.0,
    ask_with: signal.Signals = signal.SIGTERM,
) -> int:
    """Ask the child to end, wait, and end its whole group if it does not. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(ask_with)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
    # If no process of the group is left, Linux raises ProcessLookupError and macOS PermissionError.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    process: subprocess.Popen[bytes],
    patience_seconds: float = 30.0,
) -> None:
    """Poll until `ready()`.

    Raises ProcessFailed as soon as the process ends, or when patience does.
    """
    deadline = time.monotonic() + patience_seconds
    while not ready():
        if (code := process.poll()) is not None:
            raise ProcessFailed(f"{what} ended with code {code} before it was ready")
        if time.monotonic() > deadline:
            raise ProcessFailed(f"{what} was not ready after {patience_seconds:g} seconds")
        time.sleep(POLL_SECONDS)


def answers_http(host: str, port: int, path: str, *, patience_seconds: float = 10.0) -> bool:
    """True if something answers HTTP there in time, with any status below 500."""
    connection = http.client.HTTPConnection(host, port, timeout=patience_seconds)
    try:
        connection.request("GET", path)
        # An answer that is not closed would keep the socket after its connection is closed.
        with connection.getresponse() as answer:
            return answer.status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
