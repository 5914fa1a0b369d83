"""One client's connection, and how a thread waits for the client to send or to read."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from bazaar.server.http.limits import Limits, Progress
from bazaar.server.http.pool import Pool

if TYPE_CHECKING:
    from bazaar.server.http.requests import Request

# A thread that waits looks up this often, to see whether it has waited for too long.
LOOK_SECONDS = 1.0
_LOOK = struct.pack("@ll", int(LOOK_SECONDS), 0)
_NO_LOOK = struct.pack("@ll", 0, 0)
# From this size on a read is worth one call to the kernel that fills it: a gigabyte comes in few calls.
FILLED_BYTES_MIN = 128 * 1024
NEVER = float("inf")


class ClientGone(ConnectionResetError):
    """The client hung up, or was so slow that the server ended the connection."""


class State(Enum):
    IDLE = auto()  # nothing of a request has come
    HEAD = auto()  # a part of a head
    BODY = auto()  # the head, and a part of a body that the loop receives
    BUSY = auto()  # a thread has it
    SENDING = auto()  # the sender has it
    LINGERING = auto()  # answered for good; what still comes is dropped


class Connection:
    """The state of a connection. It belongs to the event loop, to one thread, or to the sender at a time."""

    __slots__ = (
        "address",
        "buffer",
        "deadline",
        "is_blocking",
        "is_taken",
        "number",
        "progress",
        "request",
        "searched",
        "server",
        "since",
        "socket",
        "state",
    )

    def __init__(
        self, connected: socket.socket, address: str, server: tuple[str, int], deadline: float
    ) -> None:
        self.socket = connected
        self.number = connected.fileno()
        self.address = address
        # The address that the client reached.
        self.server = server
        # Bytes received and not used yet.
        self.buffer = bytearray()
        # Up to here no end of a head has been found in the buffer.
        self.searched = 0
        self.request: Request | None = None
        self.state = State.IDLE
        self.deadline = deadline
        # The time at which the present state began, or its last byte moved.
        self.since = time.monotonic()
        self.progress = Progress()
        self.is_blocking = False
        # True after a view has taken the connection over; the server then no longer touches it.
        self.is_taken = False

    def change(self, state: State, deadline: float = NEVER) -> None:
        self.state, self.deadline, self.since = state, deadline, time.monotonic()

    def block(self, *, is_blocking: bool) -> None:
        """Let calls wait up to LOOK_SECONDS (for threads), or not at all (for the loop)."""
        if is_blocking and not self.is_blocking:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LOOK)
        if is_blocking is not self.is_blocking:
            self.socket.setblocking(is_blocking)
            self.is_blocking = is_blocking

    def release(self) -> socket.socket:
        """The socket, for somebody who owns it from now on: its calls wait without a limit."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _NO_LOOK)
        self.socket.setblocking(True)
        self.is_taken = True
        return self.socket


class Patience:
    """Limits on how the threads of a server wait for clients: how long, and how many at a time."""

    def __init__(self, limits: Limits, pool: Pool) -> None:
        self.limits, self.pool = limits, pool
        self._waiting: set[Connection] = set()

    def receive_into(self, connection: Connection, target: memoryview) -> int:
        """Receive what comes; 0 when the client hung up. A large target is filled, as far as a second allows.

        Raises: ClientGone when the client is too slow; OSError.
        """
        connection.block(is_blocking=True)
        flags = socket.MSG_WAITALL if len(target) >= FILLED_BYTES_MIN else 0
        self._waiting.add(connection)
        try:
            while True:
                started = time.monotonic()
                try:
                    size = connection.socket.recv_into(target, 0, flags)
                except BlockingIOError:
                    size = -1
                self._judge(connection, waited=time.monotonic() - started, moved=max(0, size))
                if size >= 0:
                    return size
        finally:
            self._waiting.discard(connection)

    def send(self, connection: Connection, pieces: Sequence[bytes | memoryview]) -> None:
        """Send all of the pieces. Raises: ClientGone when the client reads too slowly; OSError."""
        connection.block(is_blocking=False)
        left = send_now(connection.socket, [memoryview(piece) for piece in pieces if piece])
        if not left:
            return
        poller = select.poll()
        poller.register(connection.number, select.POLLOUT)
        self._waiting.add(connection)
        try:
            while left:
                if not self.pool.become_transfer():
                    self.end_slowest()
                started, before = time.monotonic(), sum(map(len, left))
                poller.poll(LOOK_SECONDS * 1000)
                waited = time.monotonic() - started
                left = send_now(connection.socket, left)
                self._judge(connection, waited=waited, moved=before - sum(map(len, left)))
        finally:
            self._waiting.discard(connection)

    def end_slowest(self) -> None:
        """End the transfer that has moved at the lowest rate, if others would do better in its place."""
        waiting = [each for each in list(self._waiting) if each.progress.waited >= LOOK_SECONDS / 2]
        if not waiting:
            return
        slowest = min(waiting, key=_rate)
        if _rate(slowest) < self.limits.kept_bytes_per_second:
            self._waiting.discard(slowest)
            with contextlib.suppress(OSError):
                # A client that is receiving can still get an error response; one that is sending is
                # disconnected.
                slowest.socket.shutdown(socket.SHUT_RD if slowest.is_blocking else socket.SHUT_RDWR)

    def _judge(self, connection: Connection, *, waited: float, moved: int) -> None:
        connection.progress.note(waited=waited, moved=moved)
        if connection.progress.is_too_slow(self.limits.transfer):
            raise ClientGone("The client is too slow.")


def _rate(connection: Connection) -> float:
    return connection.progress.moved / connection.progress.waited


def send_now(connected: socket.socket, pieces: list[memoryview]) -> list[memoryview]:
    """Send what the socket takes without waiting; give the rest. Raises: OSError."""
    while pieces:
        try:
            # The kernel takes 1024 pieces at a time.
            sent = connected.sendmsg(pieces[:1024])
        except BlockingIOError:
            break
        while pieces and sent >= len(pieces[0]):
            sent -= len(pieces[0])
            del pieces[0]
        if pieces and sent:
            pieces[0] = pieces[0][sent:]
    return pieces
