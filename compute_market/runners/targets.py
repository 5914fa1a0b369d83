"""What a stream of a tunnel is connected to: a TCP port or a Unix socket of a work, and nothing else."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable

from compute_market.runners.hub_sockets import keep_alive

# Less than the hub waits for an answer.
TARGET_CONNECT_S = 0.8

# Connects to a port of a work. Raises: OSError, with a reason for the work's holder.
Target = Callable[[], socket.socket]


def not_served() -> socket.socket:
    """The target of a port that the work did not declare."""
    raise OSError("it is not served")


def tcp_target(port: int, host: str = "127.0.0.1") -> Target:
    """A port of this machine's loopback."""

    def connect() -> socket.socket:
        connection = socket.create_connection((host, port), timeout=TARGET_CONNECT_S)
        keep_alive(connection)
        return connection

    return connect


def unix_target(path: str) -> Target:
    """A Unix socket. Never through a symbolic link, which could lead out of the work's folder."""

    def connect() -> socket.socket:
        folder, name = os.path.split(path)
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TARGET_CONNECT_S)
        try:
            if not stat.S_ISSOCK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise OSError("it is not a socket")  # noqa: TRY301 - closed below
            # By way of the opened folder: a socket's address has a hundred characters, a folder more.
            short = f"/proc/self/fd/{at}/{name}"
            connection.connect(short if os.path.lexists(short) else path)
        except BaseException:
            connection.close()
            raise
        finally:
            os.close(at)
        return connection

    return connect
