"""Ports that are free, and stay ours until the server has them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket

import pytest


def listening_socket() -> socket.socket:
    """A loopback socket that listens on a free port; a server inherits it, so nobody can take it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.set_inheritable(True)
    return listener


def free_ports(count: int) -> list[int]:
    """Ports for servers that cannot inherit a socket: free now, and unlikely to be taken soon."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def listens(port: int) -> bool:
    """True if something takes connections on this port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def require_tool(name: str) -> str:
    """The path of a program the test needs. Skips without it, but fails in CI, which has them all."""
    if found := shutil.which(name):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI must have it")
    pytest.skip(f"{name} is not installed")
