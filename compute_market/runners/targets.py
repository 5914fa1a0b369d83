"""Targets of a tunnel's stream: a TCP port or a Unix socket of a work, and nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterator

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
        with opened_socket(path) as file, contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(TARGET_CONNECT_S)
            # By way of the descriptor: a socket's address has a hundred characters, a folder more.
            connection.connect(f"/proc/self/fd/{file}")
            on_failure.pop_all()
        return connection

    return connect


@contextlib.contextmanager
def opened_socket(path: str) -> Iterator[int]:
    """A descriptor of the very file that was found to be a socket. Raises: OSError.

    A look at the name and a connection by the name would be two things: between them the tenant could put a
    link in its place, to a socket that only the agent may use.
    """
    if not hasattr(os, "O_PATH"):
        raise OSError("sockets are reached on Linux only")
    folder, name = os.path.split(path)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        file = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            raise OSError("it is not a socket")
        yield file
    finally:
        os.close(file)
