"""Sends what is left of responses to clients that read slowly: a thread with an event loop of its own.

It is not the loop that reads requests, because a file that must come from the disk would make that one wait.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from bazaar.server.http.connections import Connection, State, send_now
from bazaar.server.http.files import FileSpan
from bazaar.server.http.limits import Limits, Pace
from bazaar.server.http.pollers import SystemPoller

SWEEP_SECONDS = 1.0
NEW_SECONDS = 5.0


class GiveBack(Protocol):
    """Returns the connection to the event loop."""

    def __call__(self, connection: Connection, *, keeps_alive: bool) -> None: ...


@dataclass(slots=True, eq=False)
class _Rest:
    """The bytes that one client has yet to read."""

    connection: Connection
    pieces: list[memoryview]
    span: FileSpan | None
    keeps_alive: bool
    moved_at: float
    begun_at: float
    size: int = 0
    # Start of the present window of the rate, and the bytes that were left then.
    window_at: float = 0.0
    window_left: int = 0

    def __post_init__(self) -> None:
        self.size = self.left_bytes
        self.window_at, self.window_left = self.begun_at, self.size

    @property
    def held_bytes(self) -> int:
        return sum(len(piece) for piece in self.pieces)

    @property
    def left_bytes(self) -> int:
        return self.held_bytes + (self.span.left if self.span is not None else 0)

    def is_too_slow(self, pace: Pace, now: float) -> bool:
        """True if nothing has moved for too long, or too little in a window that ends now."""
        if now - self.moved_at > pace.stall_seconds:
            return True
        seconds = now - self.window_at
        if seconds < pace.window_seconds:
            return False
        moved = self.window_left - self.left_bytes
        self.window_at, self.window_left = now, self.left_bytes
        return moved < pace.bytes_per_second * seconds

    def rate(self, now: float) -> float:
        """Bytes a second, since the sender has it."""
        return (self.size - self.left_bytes) / max(now - self.begun_at, 0.001)


class Sender:
    """Calls `give_back` from its thread when a client has been sent everything, or is gone."""

    def __init__(self, limits: Limits, give_back: GiveBack) -> None:
        self.limits, self.give_back = limits, give_back
        self._poller = SystemPoller()
        self._rests: dict[int, _Rest] = {}
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._poller.arm(self._wake_read.fileno(), is_new=True)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._needs_room = False

    @property
    def is_quiet(self) -> bool:
        return not self._rests

    def take(
        self,
        connection: Connection,
        pieces: list[memoryview],
        span: FileSpan | None,
        *,
        keeps_alive: bool,
    ) -> None:
        """Send the pieces, then the part of a file, from now on."""
        connection.change(State.SENDING)
        now = time.monotonic()
        rest = _Rest(connection, pieces, span, keeps_alive, moved_at=now, begun_at=now)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-sender", daemon=True)
                self._thread.start()
            self._rests[connection.number] = rest
        self._poller.arm(connection.number, for_writing=True, is_new=True)

    def make_room(self) -> None:
        """Called from the loop when there are too many connections: end some of the slowest readers soon."""
        self._needs_room = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_write.send(b"\0")

    def stop(self) -> None:
        """End the thread. Clients that have not read their whole response are disconnected."""
        self._is_stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        for rest in list(self._rests.values()):
            self._end(rest, is_sent=False)
        self._poller.close()
        self._wake_read.close()
        self._wake_write.close()

    def _run(self) -> None:
        swept = time.monotonic()
        while not self._is_stopping:
            for number in self._poller.wait(SWEEP_SECONDS):
                rest = self._rests.get(number)
                if rest is not None:
                    self._send(rest)
                elif number == self._wake_read.fileno():
                    self._drain_wake()
            if self._needs_room:
                self._needs_room = False
                self._end_slowest(time.monotonic())
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                self._sweep(swept)

    def _send(self, rest: _Rest) -> None:
        connection = rest.connection
        rest.moved_at = time.monotonic()
        try:
            rest.pieces = send_now(connection.socket, rest.pieces)
            is_sent = not rest.pieces and (rest.span is None or rest.span.send_step(connection.number))
        except OSError:
            self._end(rest, is_sent=False)
            return
        if is_sent:
            self._end(rest, is_sent=True)
        else:
            self._poller.arm(connection.number, for_writing=True)

    def _sweep(self, now: float) -> None:
        """End what stands still or moves too slowly, and the slowest of what takes too much memory."""
        rests = sorted(self._rests.values(), key=lambda rest: rest.moved_at)
        held = sum(rest.held_bytes for rest in rests)
        for rest in rests:
            if rest.is_too_slow(self.limits.send, now):
                self._end(rest, is_sent=False)
            elif held > self.limits.unsent_total_bytes and rest.pieces:
                held -= rest.held_bytes
                self._end(rest, is_sent=False)

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_read.recv(4096):
                pass
        self._poller.arm(self._wake_read.fileno())

    def _end_slowest(self, now: float) -> None:
        """End a part of those that read slower than `limits.kept_bytes_per_second`, the slowest first.

        A reader of the last `NEW_SECONDS` is left: its rate says nothing yet.
        """
        slow = [
            (rest.rate(now), number)
            for number, rest in list(self._rests.items())
            if now - rest.begun_at >= NEW_SECONDS
        ]
        slow = sorted(pair for pair in slow if pair[0] < self.limits.kept_bytes_per_second)
        for _rate, number in slow[: max(1, len(slow) // 16)]:
            self._end(self._rests[number], is_sent=False)

    def _end(self, rest: _Rest, *, is_sent: bool) -> None:
        connection = rest.connection
        del self._rests[connection.number]
        self._poller.forget(connection.number)
        if rest.span is not None:
            rest.span.close()
        self.give_back(connection, keeps_alive=is_sent and rest.keeps_alive)
