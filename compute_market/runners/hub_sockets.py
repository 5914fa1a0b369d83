"""Connections to the hub that stop being HTTP: an upgrade request, then lines or bytes."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from compute_market.runners.deadlines import bound_by

# For all of it: the connection, the TLS handshake, and the answer's head.
CONNECT_S = 15.0
HANDSHAKE_BYTES_MAX = 16 * 1024
KEEPALIVE_OPTIONS = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class UpgradeRefused(Exception):
    """The hub did not switch protocols; the message is its status line."""


class HubSockets:
    """Makes upgraded connections to one hub."""

    def __init__(self, hub_url: str) -> None:
        parts = urlsplit(hub_url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._netloc = parts.netloc
        self._path = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def upgraded(
        self, path: str, protocol: str, headers: Mapping[str, str]
    ) -> tuple[socket.socket, dict[str, str], bytes]:
        """A connection after `101`: its socket, the answer's headers (names in lower case), what came next.

        Raises: OSError, ValueError, UpgradeRefused.
        """
        if any(character in value for value in headers.values() for character in "\r\n"):
            raise ValueError("a header's value has a line end")
        deadline = time.monotonic() + CONNECT_S
        connection = socket.create_connection((self._host, self._port), timeout=CONNECT_S)
        try:
            keep_alive(connection)
            bound_by(connection, deadline)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self._host)
            lines = [f"GET {self._path}{path} HTTP/1.1", f"Host: {self._netloc}", "Connection: Upgrade"]
            lines += [f"Upgrade: {protocol}", *(f"{name}: {value}" for name, value in headers.items())]
            connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
            answer = bytearray()
            while b"\r\n\r\n" not in answer:
                bound_by(connection, deadline)
                piece = connection.recv(4096)
                answer += piece
                if not piece or len(answer) > HANDSHAKE_BYTES_MAX:
                    break
            fields, rest = _switched(bytes(answer))
        except BaseException:
            connection.close()
            raise
        return connection, fields, rest


def _switched(answer: bytes) -> tuple[dict[str, str], bytes]:
    """The headers of an answer that switches protocols, and what came behind. Raises: UpgradeRefused."""
    text, end, rest = answer.partition(b"\r\n\r\n")
    status, *lines = text.decode("latin-1").split("\r\n")
    if not end or not status.startswith("HTTP/1.1 101"):
        raise UpgradeRefused(status[:100] or "the hub closed the connection")
    fields = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in fields}, rest


def keep_alive(connection: socket.socket) -> None:
    """Send small pieces at once, and have the kernel notice that the other side is gone."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE_OPTIONS:
        number = getattr(socket, name, None)
        if number is not None:
            connection.setsockopt(socket.IPPROTO_TCP, number, value)


def receive_now(connection: socket.socket) -> bytes | None:
    """The received bytes; empty at the end of the connection, None if nothing has arrived yet."""
    try:
        return connection.recv(4096)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except OSError:
        return b""
