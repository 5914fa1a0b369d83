"""One deadline for a whole answer of the hub: its status, headers and body, however slowly they come.

A socket's own time-out is for each piece: a server that sends a byte now and then would hold a thread
forever.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import time
import urllib.request
from typing import Any


class DeadlineReader(io.RawIOBase):
    """Reads a connection's file until a moment of `time.monotonic`."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Raises: TimeoutError at the deadline, OSError."""
        bound_by(self._connection, self._deadline)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class DeadlineHTTPConnection(http.client.HTTPConnection):
    """A connection for one request: what is sent and answered has one time-out, from the connection on."""

    _deadline = math.inf

    def connect(self) -> None:
        """Raises: OSError."""
        self._deadline = time.monotonic() + (self.timeout or math.inf)
        super().connect()

    def send(self, data: Any) -> None:
        """Raises: TimeoutError at the deadline, OSError."""
        if self.sock is not None:
            bound_by(self.sock, self._deadline)
        super().send(data)

    def response_class(  # type: ignore[override]
        self, connection: socket.socket, *arguments: Any, **options: Any
    ) -> http.client.HTTPResponse:
        """The answer, which is read until the deadline at the latest."""
        answer = http.client.HTTPResponse(connection, *arguments, **options)
        answer.fp = io.BufferedReader(DeadlineReader(answer.fp.detach(), connection, self._deadline))
        return answer


class DeadlineHTTPSConnection(DeadlineHTTPConnection, http.client.HTTPSConnection):
    """The same over TLS. The handshake has a time-out of its own, of the same length."""


class DeadlineHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens both kinds of addresses by such connections."""

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(DeadlineHTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(DeadlineHTTPSConnection, req)


def bound_by(connection: socket.socket, deadline: float) -> None:
    """Let the connection's next call wait until the deadline. Raises: TimeoutError if that has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(None if math.isinf(left) else left)
