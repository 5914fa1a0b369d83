"""The event loop of one server process: it accepts, reads requests, and ends what takes too long."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from bazaar.server.http import environ, heads, responses
from bazaar.server.http.answering import Answering, WsgiApplication
from bazaar.server.http.chunks import BadChunk
from bazaar.server.http.connections import NEVER, Connection, Patience, State
from bazaar.server.http.heads import BadRequest
from bazaar.server.http.limits import Limits
from bazaar.server.http.pollers import SystemPoller
from bazaar.server.http.pool import PATIENCE_SECONDS, Pool
from bazaar.server.http.requests import CONTINUE, Request
from bazaar.server.http.sender import Sender

log = logging.getLogger(__name__)

RECEIVE_BYTES = 64 * 1024
SWEEP_SECONDS = 1.0
# Seconds for which a process with more connections than the others lets them accept first.
YIELD_SECONDS = 0.002
# A server that stops keeps a connection without a request for so long: one may be on its way.
LAST_REQUEST_SECONDS = 1.0


class Peers(Protocol):
    """State that the processes of one server share."""

    def beat(self, connections: int) -> None:
        """Say that this process lives, and how many connections it has."""

    def others_have_fewer(self, connections: int) -> bool:
        """True if another process has fewer connections, and should accept the next one."""


class NoPeers:
    """A server of one process."""

    def beat(self, connections: int) -> None:
        pass

    def others_have_fewer(self, connections: int) -> bool:
        return False


class Server:
    """Serves a WSGI application on a listening socket until it is stopped."""

    def __init__(
        self,
        listener: socket.socket,
        application: WsgiApplication,
        limits: Limits,
        *,
        peers: Peers | None = None,
        at_thread_end: Callable[[], None] | None = None,
    ) -> None:
        self.listener, self.limits = listener, limits
        self.peers = peers or NoPeers()
        self._name = _address_of(listener)
        self._poller = SystemPoller()
        self._pool = Pool(size=limits.threads, transfers_max=limits.transfers, at_thread_end=at_thread_end)
        self._sender = Sender(limits, self._give_back)
        self._patience = Patience(limits, self._pool)
        self._answering = Answering(
            application, limits, self._patience, self._sender, self._give_back, self._let_go
        )
        self._connections: dict[int, Connection] = {}
        self._addresses: Counter[str] = Counter()
        self._returned: deque[tuple[Connection, bool]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._listener_due = NEVER
        self._buffered = 0
        self._stop_at = NEVER
        self._is_stopping = False
        for end in (listener, self._wake_read, self._wake_write):
            end.setblocking(False)

    @property
    def wake_socket(self) -> socket.socket:
        """A byte sent to it wakes the loop (`signal.set_wakeup_fd`)."""
        return self._wake_write

    def stop(self) -> None:
        """Let `run` accept no more, finish what has begun, and return. May be called from anywhere."""
        self._is_stopping = True
        self._answering.closes_connections = True
        self._wake()

    def drain(self, *, is_on: bool) -> None:
        """Close each connection after its next response, so that its client connects anew, and elsewhere."""
        self._answering.closes_connections = is_on

    def run(self) -> None:
        """Serve. Returns after a stop, when all requests are answered or the time for that is over."""
        self._poller.arm(self.listener.fileno(), is_new=True)
        self._poller.arm(self._wake_read.fileno(), is_new=True)
        swept = 0.0
        while not self._is_done():
            for number in self._poller.wait(self._wait_seconds()):
                if (connection := self._connections.get(number)) is not None:
                    self._receive(connection)
                elif number == self.listener.fileno():
                    self._accept()
                else:
                    self._drain_wake()
            while self._returned:
                connection, keeps_alive = self._returned.popleft()
                self._go_on(connection, keeps_alive=keeps_alive)
            if self._pool.has_waiting:
                self._pool.engage()
            now = time.monotonic()
            if now >= self._listener_due:
                self._listener_due = NEVER
                self._accept(is_urgent=True)
            if now - swept >= SWEEP_SECONDS or self._is_stopping:
                swept = now
                self._sweep(now)
        self._close()

    def _wait_seconds(self) -> float:
        if self._pool.has_waiting or self._listener_due < NEVER:
            return PATIENCE_SECONDS
        return 0.05 if self._is_stopping else SWEEP_SECONDS

    # ---- new connections ---------------------------------------------------------------------------

    def _accept(self, *, is_urgent: bool = False) -> None:
        """Take new connections, in turns with the other processes."""
        if self._is_stopping:
            return
        while is_urgent or not self.peers.others_have_fewer(len(self._connections)):
            is_urgent = False
            try:
                connected, address = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                self._poller.arm(self.listener.fileno())
                return
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return  # it was shut down: this server is about to be stopped
                if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    raise
                log.warning("accept_failed error=%s", error.strerror)
                self._make_room()
                break
            self._begin(connected, address[0] if isinstance(address, tuple) else "")
            self.peers.beat(len(self._connections))
        self._listener_due = time.monotonic() + YIELD_SECONDS

    def _begin(self, connected: socket.socket, address: str) -> None:
        connected.setblocking(False)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        most = self.limits.connections_per_address
        if most and self._addresses[address] >= most and not environ.is_trusted(address, self.limits):
            text = responses.plain(HTTPStatus.SERVICE_UNAVAILABLE, "This address has too many connections.")
            with contextlib.suppress(OSError):
                connected.send(text)
            connected.close()
            return
        if len(self._connections) >= self.limits.connections:
            self._make_room()
        deadline = time.monotonic() + self.limits.head_seconds
        connection = Connection(connected, address, self._name, deadline)
        self._connections[connection.number] = connection
        self._addresses[address] += 1
        self._poller.arm(connection.number, is_new=True)

    def _make_room(self) -> None:
        """Close a part of the connections that have waited longest for their clients.

        If all are being answered, some of the slowest readers are ended.
        """
        waiting = [
            connection
            for connection in list(self._connections.values())
            if connection.state in {State.IDLE, State.HEAD, State.BODY, State.LINGERING}
        ]
        if not waiting:
            self._sender.make_room()
        waiting.sort(key=lambda connection: connection.since)
        for connection in waiting[: max(1, len(waiting) // 16)]:
            self._end(connection)

    # ---- requests ----------------------------------------------------------------------------------

    def _receive(self, connection: Connection) -> None:
        """Read the received bytes. The connection is not polled meanwhile, so this thread alone uses it."""
        try:
            data = connection.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            self._poller.arm(connection.number)
            return
        except OSError:
            data = b""
        if not data:
            self._end(connection)
        elif connection.state is State.LINGERING:
            self._poller.arm(connection.number)
        else:
            connection.buffer += data
            self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        """Go on with a request as far as its bytes have come; give it to a thread, or wait for more."""
        try:
            if connection.request is None and (head := self._head_of(connection)) is not None:
                self._open(connection, Request(head))
            if connection.request is None or self._collects(connection, connection.request):
                self._poller.arm(connection.number)
                return
        except BadRequest as refusal:
            self._refuse(connection, refusal)
            return
        request = connection.request
        connection.change(State.BUSY)
        task = self._answering.task(connection, request)
        if request.is_complete:
            self._pool.submit(task)
        else:
            self._pool.submit_transfer(task)

    def _head_of(self, connection: Connection) -> heads.Head | None:
        """The head at the front of the buffer, which is removed; None when it is not complete."""
        buffer = connection.buffer
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
        end = heads.end_of(buffer, connection.searched, self.limits.head_bytes)
        if end < 0:
            connection.searched = len(buffer)
            if connection.state is State.IDLE and buffer:
                connection.change(State.HEAD, time.monotonic() + self.limits.head_seconds)
            return None
        data = bytes(memoryview(buffer)[: end + 4])
        del buffer[: end + 4]
        connection.searched = 0
        return heads.parse(data, self.limits)

    def _open(self, connection: Connection, request: Request) -> None:
        connection.request = request
        if request.is_complete or self._goes_at_head(request):
            return
        size = request.head.length
        expected = (
            self.limits.buffered_body_bytes if size is None else min(size, self.limits.buffered_body_bytes)
        )
        pace = self.limits.transfer
        connection.change(
            State.BODY, time.monotonic() + pace.window_seconds + expected / pace.bytes_per_second
        )
        if request.head.expects_continue and not connection.buffer:
            with contextlib.suppress(OSError):
                connection.socket.send(CONTINUE)
            request.head.expects_continue = False

    def _goes_at_head(self, request: Request) -> bool:
        path = request.head.target.decode("ascii")
        return bool(self.limits.head_dispatch_prefixes) and path.startswith(
            self.limits.head_dispatch_prefixes
        )

    def _collects(self, connection: Connection, request: Request) -> bool:
        """Take what has come of a body; whether the loop is to wait for more of it."""
        if request.is_complete or self._goes_at_head(request):
            return False
        try:
            has_all = request.take(connection.buffer, self.limits.buffered_body_bytes)
        except BadChunk as error:
            raise BadRequest(HTTPStatus.BAD_REQUEST, str(error)) from None
        connection.since = time.monotonic()
        self._charge(request, len(request.ahead))
        is_much = request.is_costly or len(request.ahead) >= self.limits.buffered_body_bytes
        return not (has_all or is_much or self._buffered > self.limits.buffered_total_bytes)

    def _charge(self, request: Request, size: int) -> None:
        self._buffered += size - request.charged
        request.charged = size

    def _refuse(self, connection: Connection, refusal: BadRequest) -> None:
        with contextlib.suppress(OSError):
            connection.socket.send(responses.plain(refusal.status, refusal.reason))
        self._linger(connection)

    # ---- what comes back from the threads ----------------------------------------------------------

    def _give_back(self, connection: Connection, *, keeps_alive: bool) -> None:
        """Called from a thread or the sender: its work with the connection is done."""
        request = connection.request
        is_ready = keeps_alive and not self._is_stopping and not connection.buffer
        if is_ready and request is not None and not request.charged:
            # The usual case needs no help of the loop.
            connection.request = None
            connection.change(State.IDLE, time.monotonic() + self.limits.idle_seconds)
            connection.block(is_blocking=False)
            with contextlib.suppress(OSError):  # the loop has closed it at this very moment
                self._poller.arm(connection.number)
            return
        self._returned.append((connection, keeps_alive))
        self._wake()

    def _let_go(self, connection: Connection) -> None:
        """Called from a thread: a view has taken the connection, and may close it at any moment."""
        del self._connections[connection.number]
        self._poller.forget(connection.number)
        self._returned.append((connection, False))
        self._wake()

    def _go_on(self, connection: Connection, *, keeps_alive: bool) -> None:
        """The loop's part of giving back."""
        request = connection.request
        assert request is not None
        self._charge(request, 0)
        connection.request = None
        if connection.is_taken:
            self._forget_address(connection)
            return
        connection.block(is_blocking=False)
        if not keeps_alive:
            if request.failure is None and request.is_complete and not connection.buffer:
                self._end(connection)
            else:
                self._linger(connection)
            return
        connection.change(State.IDLE, time.monotonic() + self.limits.idle_seconds)
        self._advance(connection)

    # ---- ends --------------------------------------------------------------------------------------

    def _linger(self, connection: Connection) -> None:
        """Close our side and drop what still comes: a reset could overtake the answer."""
        connection.request, connection.buffer = None, bytearray()
        connection.change(State.LINGERING, time.monotonic() + self.limits.linger_seconds)
        try:
            connection.socket.shutdown(socket.SHUT_WR)
            self._poller.arm(connection.number)
        except OSError:
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        if connection.request is not None:
            self._charge(connection.request, 0)
        del self._connections[connection.number]
        self._forget_address(connection)
        connection.socket.close()

    def _forget_address(self, connection: Connection) -> None:
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]

    def _sweep(self, now: float) -> None:
        """End the connections whose time is up."""
        self.peers.beat(len(self._connections))
        if self._pool.has_waiting_transfers:
            self._patience.end_slowest()
        if self._is_stopping and self._stop_at is NEVER:
            self._stop_at = now + self.limits.graceful_seconds
            self._poller.forget(self.listener.fileno())
        for connection in list(self._connections.values()):
            state = connection.state
            if now >= connection.deadline or self._is_stalled(connection, now):
                if state in {State.HEAD, State.BODY}:
                    refusal = BadRequest(HTTPStatus.REQUEST_TIMEOUT, "The request did not come in time.")
                    self._refuse(connection, refusal)
                else:
                    self._end(connection)

    def _is_stalled(self, connection: Connection, now: float) -> bool:
        if connection.state is State.BODY:
            return now - connection.since >= self.limits.transfer.stall_seconds
        waits = connection.state in {State.IDLE, State.HEAD}
        return waits and self._is_stopping and now >= self._last_request_at

    @property
    def _last_request_at(self) -> float:
        return self._stop_at - self.limits.graceful_seconds + LAST_REQUEST_SECONDS

    def _is_done(self) -> bool:
        if self._stop_at is NEVER:
            return False
        return not self._connections or time.monotonic() >= self._stop_at

    def _close(self) -> None:
        self._pool.stop()
        self._sender.stop()
        self._pool.join(1.0)
        self._returned.clear()
        for connection in self._connections.values():
            connection.socket.close()
        self._connections.clear()
        self._poller.close()
        self._wake_read.close()
        self._wake_write.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already
            self._wake_write.send(b"\0")

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_read.recv(4096):
                pass
        self._poller.arm(self._wake_read.fileno())


def _address_of(listener: socket.socket) -> tuple[str, int]:
    name = listener.getsockname()
    return (name[0], name[1]) if isinstance(name, tuple) else ("localhost", 80)
