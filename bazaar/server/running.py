"""The web servers that run on this machine: a file for each, which `drain` reads.

A server holds a lock of the kernel on its file, so the file that a killed one leaves behind is recognized.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bazaar.server import sockets

# The signals to the parent of a web server's processes: drain, and serve as usual again.
DRAIN, SERVE = signal.SIGUSR1, signal.SIGUSR2
# A shorter line is filled up.
LINE_BYTES = 200


@dataclass(frozen=True, slots=True)
class WebServer:
    """`process` is the parent of its processes; `connections` is of the last second in which it drained."""

    process: int
    bind: str
    is_draining: bool
    connections: int


def folder(data: Path) -> Path:
    """The folder of these files; it belongs to one machine (BAZAAR_RUN_DIR)."""
    return sockets.tunnel_socket(data).parent


@contextmanager
def noted(where: Path, bind: str) -> Iterator[Callable[[bool, int], None]]:
    """Note this process as a web server until the block ends. Gives what notes `is_draining, connections`.

    If the file cannot be written, the server runs without it, and `drain` does not find the server.
    """
    path = where / f"web-{os.getpid()}.json"
    try:
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield lambda _is_draining, _connections: None
        return

    def note(is_draining: bool, connections: int) -> None:  # noqa: FBT001 - two values of one line
        line = json.dumps({"bind": bind, "is_draining": is_draining, "connections": connections})
        # In one write and without a shorter file in between: readers see the old line or the new one.
        with suppress(OSError):
            os.pwrite(held, line.ljust(LINE_BYTES).encode(), 0)

    note(False, 0)
    try:
        yield note
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(held)


def found(where: Path) -> list[WebServer]:
    """The web servers that run here; files of others are removed."""
    servers = []
    for path in sorted(where.glob("web-*.json")):
        if _is_left_behind(path):
            path.unlink(missing_ok=True)
            continue
        try:
            told = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        servers.append(WebServer(process=int(path.stem.removeprefix("web-")), **told))
    return servers


def _is_left_behind(path: Path) -> bool:
    """True if the process that wrote the file, and all that it started, have ended."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
