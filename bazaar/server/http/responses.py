"""A response: its head, its framing, and how it is sent to the client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from bazaar.server.http.connections import Connection, Patience, send_now
from bazaar.server.http.files import FileSpan, FileWrapper
from bazaar.server.http.requests import Request
from bazaar.server.http.sender import Sender

Headers = list[tuple[str, str]]
# Headers about the connection are the server's.
_OWN = frozenset({"connection", "keep-alive", "transfer-encoding", "date"})
_date: tuple[int, str] = (0, "")


class ResponseError(Exception):
    """The application gave what cannot be sent."""


class Response:
    """One answer, made and sent by the thread that runs the application.

    If the answer is complete, bytes that the client does not take at once go to the sender: the thread does
    not wait.
    """

    def __init__(self, connection: Connection, request: Request, patience: Patience, sender: Sender) -> None:
        self.connection, self.request = connection, request
        self.patience, self.sender = patience, sender
        self.keeps_alive = request.head.keeps_alive
        self.is_head_sent = False
        # True if the sender holds the connection now and will return it by itself.
        self.is_handed_over = False
        self._status = ""
        self._headers: Headers = []
        self._length: int | None = None
        self._sent = 0
        self._is_chunked = False
        self._written: list[bytes] = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        """WSGI's `start_response`."""
        if exc_info is not None and self.is_head_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and exc_info is None:
            raise ResponseError("The response was started twice.")
        self._status, self._headers, self._length = status, [], None
        for name, value in headers:
            lower = name.lower()
            if lower == "connection" and value.lower() == "close":
                self.keeps_alive = False
            if lower in _OWN:
                continue
            if lower == "content-length":
                self._length = int(value)
            self._headers.append((name, value))
        return self._written.append

    def send(self, result: Iterable[bytes]) -> None:
        """Send what the application returned. Raises: OSError, ResponseError, what the application raises."""
        if isinstance(result, FileWrapper) and (span := FileSpan.of(result, self._length)) is not None:
            self._send_file(span)
            return
        if self._status and self._is_bodiless():
            self._hand_over([self._head()])
            return
        pieces = iter(result)
        first = next(pieces, b"")
        if self._written:
            first = b"".join([*self._written, first])
        if not self._status:
            raise ResponseError("The application returned without a status.")
        if self._is_bodiless() or self._length == len(first):
            self._hand_over([self._head(), b"" if self._is_bodiless() else first])
            return
        if self._length is None and isinstance(result, (list, tuple)) and len(result) <= 1:
            self._length = len(first)
            self._headers.append(("Content-Length", str(len(first))))
            self._hand_over([self._head(), first])
            return
        self._send_pieces(first, pieces)

    def settled(self) -> bool:
        """True if the connection can be used for another request."""
        return self.keeps_alive and self.request.settle(self.connection.buffer)

    # ---- the three ways ---------------------------------------------------------------------------

    def _send_file(self, span: FileSpan) -> None:
        if self._length is None:
            self._length = span.left
            self._headers.append(("Content-Length", str(span.left)))
        if span.left != self._length:
            span.close()
            raise ResponseError("The file is shorter than its Content-Length.")
        if self._is_bodiless():
            span.close()
            self._hand_over([self._head()])
        else:
            self._hand_over([self._head()], span)

    def _hand_over(self, pieces: list[bytes], span: FileSpan | None = None) -> None:
        """Send a response of which everything is there."""
        connection = self.connection
        connection.block(is_blocking=False)
        self.is_head_sent = True
        try:
            left = send_now(connection.socket, [memoryview(piece) for piece in pieces if piece])
            if not left and (span is None or span.send_step(connection.number)):
                if span is not None:
                    span.close()
                return
        except OSError:
            if span is not None:
                span.close()
            raise
        self.is_handed_over = True
        self.sender.take(connection, left, span, keeps_alive=self.settled())

    def _send_pieces(self, first: bytes, pieces: Iterable[bytes]) -> None:
        """Send while the application produces; the thread waits for the client where it must."""
        head = [self._head()]
        self.is_head_sent = True
        if first:
            head += self._framed(first)
        self.patience.send(self.connection, head)
        for piece in pieces:
            if piece:
                self.patience.send(self.connection, self._framed(piece))
        if self._is_chunked:
            self.patience.send(self.connection, [b"0\r\n\r\n"])
        elif self._length is not None and self._sent < self._length:
            raise ResponseError("The response is shorter than its Content-Length.")

    def _framed(self, piece: bytes) -> list[bytes]:
        if self._is_chunked:
            return [b"%x\r\n" % len(piece), piece, b"\r\n"]
        if self._length is not None and self._sent + len(piece) > self._length:
            raise ResponseError("The response is longer than its Content-Length.")
        self._sent += len(piece)
        return [piece]

    # ---- the head ---------------------------------------------------------------------------------

    def _is_bodiless(self) -> bool:
        return self.request.head.method == "HEAD" or self._status[:3] in {"204", "304"}

    def _head(self) -> bytes:
        """The head, with the headers that are the server's. Raises: ResponseError."""
        head = self.request.head
        if failure := self.request.failure:
            # The application may have reported a cut body as an error of its own.
            raise failure
        if self._status[:3] in {"204", "304"}:
            self._headers = [
                (name, value) for name, value in self._headers if name.lower() != "content-length"
            ]
        elif self._length is None and head.method != "HEAD":
            self._is_chunked = head.version == "1.1"
            self.keeps_alive = self.keeps_alive and self._is_chunked
        if not self.request.settle(self.connection.buffer):
            # The client may still be sending its body, so the start of the next request is unknown.
            self.keeps_alive = False
        lines = [f"HTTP/1.1 {self._status}", *[f"{name}: {value}" for name, value in self._headers]]
        lines.append(f"Date: {_now()}")
        if self._is_chunked:
            lines.append("Transfer-Encoding: chunked")
        if not self.keeps_alive:
            lines.append("Connection: close")
        elif head.version == "1.0":
            lines.append("Connection: keep-alive")
        text = "\r\n".join(lines)
        ends = len(lines) - 1
        if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
            raise ResponseError("A header of the response holds the end of a line.")
        return f"{text}\r\n\r\n".encode("latin-1")


def _now() -> str:
    """The date header's value, made once a second."""
    global _date  # noqa: PLW0603 - a cache of one string
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


def plain(status: HTTPStatus, reason: str) -> bytes:
    """A whole answer of the server's own, after which the connection is closed."""
    body = f"{reason}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        f"Date: {_now()}",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
