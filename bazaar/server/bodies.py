"""Large request bodies, received by the kernel straight into what the application reads.

Gunicorn's reader copies every byte several times between buffers that grow and are thrown away. That
does not matter for a form; a model is gigabytes, and most of a server's work on them was those copies.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gunicorn.http.body import Body, LengthReader

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Less is not worth a call of its own to the kernel, and more is not allocated before it has come.
DIRECT_BYTES_MIN = 64 * 1024
DIRECT_BYTES_MAX = 4 * 1024 * 1024


class SocketBody:
    """A body of known length. Like any WSGI input, it gives fewer bytes than asked for only at the end.

    Gunicorn's own body still counts what is left, gives what came with the headers, and answers small
    reads and those of lines; so the connection can be used again after it, as ever.
    """

    def __init__(self, body: Body, reader: LengthReader, connection: socket.socket) -> None:
        self._body = body
        self._reader = reader
        self._connection = connection
        self.readline = body.readline
        self.readlines = body.readlines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, without a size all that are left. Raises OSError when the client is gone."""
        wanted = min(size, self._reader.length)
        if not DIRECT_BYTES_MIN <= wanted <= DIRECT_BYTES_MAX or self._body.buf.tell():
            return self._body.read(size)
        unreader = self._reader.unreader
        held = unreader.take_buffered()
        if len(held) > wanted:
            unreader.unread(held)
            return self._body.read(size)
        data = self._receive(held, wanted)
        self._reader.length -= len(data)
        return data

    def _receive(self, held: bytes, wanted: int) -> bytes:
        parts, missing = ([held] if held else []), wanted - len(held)
        while missing:
            try:
                part = self._connection.recv(missing, socket.MSG_WAITALL)
            except OSError:
                # Where the next request would begin is not known any more.
                self._body.failed = True  # type: ignore[attr-defined]
                raise
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        # A single part, which is the rule, is not copied.
        return b"".join(parts)


def received_directly(application: WsgiApplication) -> WsgiApplication:
    """Wrap the application: under our worker it reads bodies of known length from the socket itself."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection, body = environ.get("gunicorn.socket"), environ.get("wsgi.input")
        if (
            isinstance(connection, socket.socket)
            and not isinstance(connection, ssl.SSLSocket)
            and isinstance(body, Body)
            and isinstance(body.reader, LengthReader)
        ):
            environ["wsgi.input"] = SocketBody(body, body.reader, connection)
        return application(environ, start_response)

    return wrapped
