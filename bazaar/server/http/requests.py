"""A request and its body, as the application reads it through `wsgi.input`."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import BinaryIO

from bazaar.server.http.chunks import BadChunk, ChunkDecoder
from bazaar.server.http.connections import ClientGone, Connection, Patience
from bazaar.server.http.heads import BadRequest, Head

# Bytes read ahead for small reads and lines; larger reads go straight into the caller's buffer.
AHEAD_BYTES = 64 * 1024
# A chunk has two lines of coding. The loop reads so many lines of a body, and the view's thread the rest, so
# bodies of tiny chunks delay no other client.
LOOP_LINES_MAX = 4096


class Request:
    """A head, and a body of which `ahead` has been received (and decoded, if it is chunked)."""

    __slots__ = ("_raw", "ahead", "charged", "decoder", "failure", "head", "missing")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.ahead = bytearray()
        # Bytes of the body that have not been received; 0 for a chunked one.
        self.missing = head.length or 0
        self.decoder = ChunkDecoder() if head.length is None else None
        # Bytes that count against the server's limit of buffered bodies.
        self.charged = 0
        # The reason that the body could not be read to its end.
        self.failure: BadRequest | None = None
        self._raw: _Body | None = None

    @property
    def is_complete(self) -> bool:
        """True if the whole body has been received."""
        return not self.missing if self.decoder is None else self.decoder.is_complete

    @property
    def is_costly(self) -> bool:
        """True if the body has so many chunks that the event loop must not read more of it."""
        return self.decoder is not None and self.decoder.lines >= LOOP_LINES_MAX

    def take(self, buffer: bytearray, size_max: int) -> bool:
        """Move what the buffer holds of the body to `ahead`, until that holds so much or `is_costly`.

        Gives whether the body is complete. Raises: BadChunk.
        """
        if self.decoder is None:
            size = min(len(buffer), self.missing)
            self.ahead += memoryview(buffer)[:size]
            del buffer[:size]
            self.missing -= size
            return not self.missing
        while (
            len(self.ahead) < size_max
            and not self.is_costly
            and (data := self.decoder.take(buffer, size_max))
        ):
            self.ahead += data
        return self.decoder.is_complete

    def open(self, connection: Connection, patience: Patience) -> BinaryIO:
        """The body as a file. Reads give fewer bytes than asked for only at its end.

        Reading raises ConnectionError when the client hangs up, is too slow, or breaks the chunked coding.
        """
        if self.is_complete:
            return io.BytesIO(self.ahead)
        self._raw = _Body(self, connection, patience)
        return io.BufferedReader(self._raw, AHEAD_BYTES)

    @property
    def is_begun(self) -> bool:
        """True if the application has read part of a body that was not complete."""
        return self._raw is not None and self._raw.is_begun

    def settle(self, buffer: bytearray) -> bool:
        """True if the body has been received to its end, so the next request begins in the buffer."""
        if self.failure is None and self.decoder is not None and not self.is_complete:
            try:
                self.decoder.take(buffer, 0)
            except BadChunk:
                return False
        return self.failure is None and self.is_complete


class _Body(io.RawIOBase):
    """Read the rest of a body from the socket into the reader's memory."""

    def __init__(self, request: Request, connection: Connection, patience: Patience) -> None:
        self.request, self.connection, self.patience = request, connection, patience
        self.is_begun = False
        # The buffer into which the size line of a chunk is read.
        self._piece = memoryview(bytearray(4096)) if request.decoder else memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        request = self.request
        if not self.is_begun:
            self.is_begun = True
            if request.head.expects_continue and not request.ahead:
                self.patience.send(self.connection, [CONTINUE])
        if request.failure is not None:
            raise ConnectionError(request.failure.reason)
        view = memoryview(target).cast("B")
        if request.ahead:
            size = min(len(view), len(request.ahead))
            view[:size] = request.ahead[:size]
            del request.ahead[:size]
            return size
        try:
            return (
                self._by_length(view) if request.decoder is None else self._by_chunks(view, request.decoder)
            )
        except BadChunk as error:
            request.failure = BadRequest(HTTPStatus.BAD_REQUEST, str(error))
            raise ConnectionError(str(error)) from None
        except OSError:
            request.failure = BadRequest(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time.")
            raise

    def _by_length(self, view: memoryview) -> int:
        request, buffer = self.request, self.connection.buffer
        view = view[: request.missing]
        if size := min(len(view), len(buffer)):
            view[:size] = buffer[:size]
            del buffer[:size]
        elif view:
            size = self._receive(view)
        request.missing -= size
        return size

    def _by_chunks(self, view: memoryview, decoder: ChunkDecoder) -> int:
        """As many bytes as fit of the chunks that have come: a call for each tiny one would cost more."""
        buffer, filled = self.connection.buffer, 0
        while True:
            while filled < len(view) and (data := decoder.take(buffer, len(view) - filled)):
                view[filled : filled + len(data)] = data
                filled += len(data)
            if filled or decoder.is_complete:
                return filled
            if decoder.missing:
                size = self._receive(view[: decoder.missing])
                decoder.received(size)
                return size
            buffer += self._piece[: self._receive(self._piece)]

    def _receive(self, view: memoryview) -> int:
        size = self.patience.receive_into(self.connection, view)
        if not size:
            raise ClientGone("The client hung up in its body.")
        return size


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
