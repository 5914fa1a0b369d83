"""One end of a connection: read piece by piece while its head is looked at, then joined to another end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

# Bytes that wait for a reader before its writer is asked to pause.
WAITING_BYTES = 256 * 1024
# Seconds after which a client that receives no byte is disconnected.
STALLED_SECONDS = 60.0
# So many readers may be behind at the same time.
BEHIND_MAX = 1024
KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))


class EndClosed(Exception):
    """The other side closed before it sent what was waited for."""


class TooLong(Exception):
    """More came than may come at this point."""


class OpenEnds(set["End"]):
    """The connections of the process, and those among them whose readers are behind, longest first.

    Each of those holds up to half a megabyte. If there are too many, the one that has been behind longest is
    disconnected, so that readers that take nothing cannot fill the memory of the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.behind: dict[End, None] = {}

    def falls_behind(self, end: End) -> None:
        self.behind[end] = None
        if len(self.behind) > BEHIND_MAX:
            slowest = next(iter(self.behind))
            del self.behind[slowest]
            slowest.abort()

    def catches_up(self, end: End) -> None:
        self.behind.pop(end, None)


class End(asyncio.Protocol):
    """See the module. `on_bytes` counts what arrives while it is joined; `on_lost` is called once."""

    def __init__(self, among: OpenEnds | None = None) -> None:
        """`among`: the set in which it is while it is connected."""
        self._among = among if among is not None else OpenEnds()
        self.received = bytearray()
        self.is_over = False
        self.is_lost = False
        self.on_bytes: Callable[[int], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()  # nothing more will come
        self.closed: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._peer: End | None = None
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_held = False

    # ---- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)
        self._transport.set_write_buffer_limits(high=WAITING_BYTES)
        watch(self._transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        peer = self._peer
        if peer is not None:
            if self.on_bytes is not None:
                self.on_bytes(len(data))
            peer.write(data)
            return
        self.received += data
        if len(self.received) > WAITING_BYTES:
            self.hold()
        self._tell()

    def eof_received(self) -> bool:
        self._end_reading()
        if self._peer is not None:
            self._peer.write_eof()
            # The other direction may go on; once both are over, nothing more will come.
            return not self._peer.is_over
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self._among.discard(self)
        self._among.catches_up(self)
        if self._stalled is not None:
            self._stalled.cancel()
        self._end_reading()
        self._tell_room()
        if self._peer is not None:
            self._peer.close()
        if not self.closed.done():
            self.closed.set_result(None)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        self._stalled = asyncio.get_running_loop().call_later(STALLED_SECONDS, self.abort)
        self._among.falls_behind(self)
        if self._peer is not None:
            self._peer.hold()

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._among.catches_up(self)
        self._tell_room()
        if self._peer is not None:
            self._peer.go_on()

    # ---- reading ---------------------------------------------------------------------------------

    async def read_until(self, mark: bytes, *, limit: int) -> bytes:
        """Everything up to and with the mark, at most `limit` bytes. Raises: EndClosed, TooLong."""
        looked = 0
        while (place := self.received.find(mark, max(0, looked - len(mark)))) < 0:
            looked = len(self.received)
            if looked > limit:
                raise TooLong
            await self._wait()
        if place + len(mark) > limit:
            raise TooLong
        return self.take(place + len(mark))

    async def read_some(self) -> bytes:
        """The received bytes, at least one; empty if no more will arrive."""
        while not self.received:
            if self.is_over:
                return b""
            self.go_on()
            await self._wait()
        return self.take(len(self.received))

    def take(self, size: int) -> bytes:
        """The first bytes of what was received."""
        data = bytes(self.received[:size])
        del self.received[:size]
        if self._peer is None and len(self.received) <= WAITING_BYTES:
            self.go_on()
        return data

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send without waiting: for what is small. Nothing happens once the connection is lost."""
        if self._transport is not None and not self.is_lost:
            self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """Send, and wait while the other side reads slower than this. Raises: EndClosed."""
        self.write(data)
        if self._room is not None:
            await self._room
        if self.is_lost:
            raise EndClosed

    def write_eof(self) -> None:
        with contextlib.suppress(OSError, RuntimeError, AttributeError):
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write_eof()

    def close(self) -> None:
        """Send what is left, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def has_room(self) -> bool:
        """True if the other side receives what is written."""
        return self._room is None

    # ---- joined ----------------------------------------------------------------------------------

    async def join(self, other: End) -> None:
        """Let bytes pass both ways until both directions are over, or one connection is lost."""
        self._peer, other._peer = other, self
        for end, target in ((self, other), (other, self)):
            if end.received:
                if end.on_bytes is not None:
                    end.on_bytes(len(end.received))
                target.write(bytes(end.received))
                end.received.clear()
            if target.has_room:
                end.go_on()
            if end.is_over:
                target.write_eof()
            if end.is_lost:
                target.close()
        try:
            await asyncio.wait([self.closed, other.closed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (self, other):
                end.close()

    # ---- inside ----------------------------------------------------------------------------------

    def _end_reading(self) -> None:
        self.is_over = True
        self._tell()
        if not self.over.done():
            self.over.set_result(None)

    async def _wait(self) -> None:
        if self.is_over:
            raise EndClosed
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _tell_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def hold(self) -> None:
        """Read no more for now."""
        if not self._is_held and self._transport is not None and not self.is_lost:
            self._is_held = True
            with contextlib.suppress(RuntimeError):
                self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._is_held and self._transport is not None and not self.is_lost:
            self._is_held = False
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()


def watch(connection: socket.socket | None) -> None:
    """Let the kernel find out that the other side has gone without a word."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE:
            if number := getattr(socket, name, None):
                connection.setsockopt(socket.IPPROTO_TCP, number, value)


async def adopt(connection: socket.socket, received: bytes = b"", *, among: OpenEnds | None = None) -> End:
    """An end for a connected socket that another process, or a test, made."""
    end = End(among)
    end.received += received
    await asyncio.get_running_loop().connect_accepted_socket(lambda: end, connection)
    return end
