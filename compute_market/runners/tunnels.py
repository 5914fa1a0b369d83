"""The agent's end of the way into works: spare connections to the hub, each good for one stream.

The agent calls the hub, so a machine behind a NAT needs no open port. A connection waits until the hub says
`TAKE port`; then the agent connects to that port of that work, and to nothing else, answers `OK`, and copies
bytes both ways. One thread copies for all; connecting, which may wait, is done by a few others.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import queue
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from compute_market.runners.hub_sockets import CONNECT_S, HubSockets, UpgradeRefused, receive_now
from compute_market.runners.streams import JoinedPair, StreamCopies
from compute_market.runners.targets import Target, not_served

TUNNEL_PATH = "/api/market/v1/agent/tunnel"
TUNNEL_PROTOCOL = "bazaar-work/1"
SPARES_LEAST = 4
SPARES_MOST = 256
# The hub says PING every ten seconds; a connection on which nothing was said for so long is dead.
SILENT_S = 45.0
RETRY_FIRST_S, RETRY_LAST_S = 0.5, 30.0
CONNECTORS = 12
# Threads that may wait for connections to one work, so that others have threads left.
TARGET_CONNECTORS, TARGETS_A_WORK = 32, 4
TUNNEL_LINE_MAX = 200


class ServedWork:
    """The services of one work, by the newest ticket for it."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.ticket = ""
        self.secret = ""
        self.until: Any = None
        self.targets: Mapping[str, Target] = {}
        self.spares: set[SpareConnection] = set()
        self.joined: set[JoinedPair] = set()
        # Streams that were asked for: those that wait for their turn to be connected, and how many have it.
        self.asked: deque[Callable[[], None]] = deque()
        self.being_connected = 0
        self.connecting = 0
        self.retry_at = 0.0
        self.retry_s = RETRY_FIRST_S
        self.is_over = False

    @property
    def missing(self) -> int:
        """The number of spare connections to make."""
        wanted = min(SPARES_MOST, SPARES_LEAST + len(self.joined))
        return max(0, wanted - len(self.spares) - self.connecting)


class SpareConnection:
    """A connection that waits to be taken."""

    def __init__(self, work: ServedWork, connection: socket.socket, received: bytes) -> None:
        self.work = work
        self.socket = connection
        self.received = bytearray(received)
        self.heard_at = time.monotonic()
        self.is_taken = False


class TunnelEnds:
    """All spare connections and streams of an agent. One thread calls its methods."""

    def __init__(self, hub_url: str, *, say: Callable[[str], None]) -> None:
        self._hub = HubSockets(hub_url)
        self._say = say
        self._works: dict[str, ServedWork] = {}
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._selector: selectors.BaseSelector
        self._wake_read: socket.socket
        self._wake_write: socket.socket
        self._connectors = ThreadPoolExecutor(CONNECTORS, thread_name_prefix="tunnel-connect")
        self._targets = ThreadPoolExecutor(TARGET_CONNECTORS, thread_name_prefix="tunnel-target")
        self._copies: StreamCopies
        self._thread: threading.Thread | None = None
        self._is_over = False
        self._has_ended = False

    # ---- what the agent asks for -----------------------------------------------------------------

    def serve(
        self, token: str, *, ticket: str, secret: str, until: Any, targets: Mapping[str, Target]
    ) -> None:
        """Serve a work's ports from now on, or continue with a newer ticket. `until`: the lease's end."""
        if self._is_over:
            return
        if self._thread is None:
            self._start()
        self._order(lambda: self._renew(token, ticket, secret, until, targets))

    def forget(self, token: str) -> None:
        """End the streams of a work and its spare connections."""
        if self._thread is not None:
            self._order(lambda: self._end_work(token))

    def served(self) -> set[str]:
        """The tokens of the works that are served."""
        return set(self._works)

    @property
    def spares(self) -> int:
        """The number of waiting connections."""
        return sum(len(work.spares) for work in list(self._works.values()))

    def close(self) -> None:
        """End everything."""
        self._is_over = True
        if self._thread is not None:
            self._order(lambda: None)
            self._thread.join(timeout=CONNECT_S)
        self._connectors.shutdown(wait=False, cancel_futures=True)
        self._targets.shutdown(wait=False, cancel_futures=True)

    # ---- the thread ------------------------------------------------------------------------------

    def _start(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._copies = StreamCopies(self._selector)
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="tunnels", daemon=True)
        self._thread.start()

    def _order(self, call: Callable[[], None]) -> None:
        """Have the thread do something; what comes too late for it is done here, as it has no work left."""
        if self._has_ended:
            call()
            return
        self._orders.put(call)
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def _run(self) -> None:
        looked = 0.0
        while not self._is_over:
            for key, mask in self._selector.select(0 if self._copies.has_more else 1.0):
                try:
                    self._serve_event(key, mask)
                except Exception as error:  # noqa: BLE001 - one stream's trouble is not the others'
                    self._say(f"tunnels: {error!r}")
                    self._drop(key.data)
            self._copies.copy_more()
            self._obey()
            if time.monotonic() - looked >= 1.0:
                looked = time.monotonic()
                self._look_after()
        for token in list(self._works):
            self._end_work(token)
        self._has_ended = True
        self._obey()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _serve_event(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.data is None:
            with contextlib.suppress(BlockingIOError):
                while self._wake_read.recv(4096):
                    pass
        elif isinstance(key.data, SpareConnection):
            self._hear(key.data)
        else:
            pair, side = key.data
            self._copies.serve(pair, side, mask)

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._orders.get_nowait()()

    def _look_after(self) -> None:
        """Close what has gone silent; make what is missing."""
        now = time.monotonic()
        for work in list(self._works.values()):
            for spare in [spare for spare in work.spares if now - spare.heard_at > SILENT_S]:
                self._drop(spare)
            self._fill(work)

    def _drop(self, what: Any) -> None:
        if isinstance(what, SpareConnection):
            what.work.spares.discard(what)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(what.socket)
            what.socket.close()
        elif isinstance(what, tuple):
            self._copies.end(what[0])

    # ---- spare connections -----------------------------------------------------------------------

    def _renew(self, token: str, ticket: str, secret: str, until: Any, targets: Mapping[str, Target]) -> None:
        work = self._works.setdefault(token, ServedWork(token))
        changed = work.until is not None and work.until != until
        work.ticket, work.secret, work.until, work.targets = ticket, secret, until, targets
        if changed and work.spares:
            # The hub learns of another end by a connection that shows it.
            self._drop(next(iter(work.spares)))
        self._fill(work)

    def _fill(self, work: ServedWork) -> None:
        if time.monotonic() < work.retry_at:
            return
        for _ in range(work.missing):
            work.connecting += 1
            self._connectors.submit(self._connect, work, work.ticket, work.secret)

    def _connect(self, work: ServedWork, ticket: str, secret: str) -> None:
        """In a thread of its own: make one spare connection."""
        try:
            connection, received = self._greet(ticket, secret)
        except (OSError, ValueError, UpgradeRefused) as error:
            reason = str(error)
            self._order(lambda: self._failed(work, reason))
            return
        self._order(lambda: self._connected(work, connection, received))

    def _greet(self, ticket: str, secret: str) -> tuple[socket.socket, bytes]:
        """Connect to the hub and prove the ticket. Raises: OSError, ValueError, UpgradeRefused."""
        connection, fields, rest = self._hub.upgraded(TUNNEL_PATH, TUNNEL_PROTOCOL, {"X-Work-Ticket": ticket})
        try:
            challenge = fields.get("x-work-challenge", "")
            proved = hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()
            connection.sendall(f"PROOF {proved}\n".encode())
        except BaseException:
            connection.close()
            raise
        return connection, rest

    def _connected(self, work: ServedWork, connection: socket.socket, received: bytes) -> None:
        work.connecting -= 1
        if self._works.get(work.token) is not work:
            connection.close()
            return
        work.retry_s = RETRY_FIRST_S
        connection.setblocking(False)
        spare = SpareConnection(work, connection, received)
        work.spares.add(spare)
        self._selector.register(connection, selectors.EVENT_READ, spare)
        if received:
            self._hear(spare)

    def _failed(self, work: ServedWork, reason: str) -> None:
        work.connecting -= 1
        if time.monotonic() >= work.retry_at:
            if work.retry_s == RETRY_FIRST_S:
                self._say(f"{work.token}: no way in yet: {reason}")
            work.retry_at = time.monotonic() + work.retry_s * random.uniform(0.7, 1.3)  # noqa: S311
            work.retry_s = min(RETRY_LAST_S, work.retry_s * 2)

    def _hear(self, spare: SpareConnection) -> None:
        """Lines from the hub: PING, or TAKE."""
        data = receive_now(spare.socket)
        if data is not None:
            if not data:
                self._drop(spare)
                self._fill(spare.work)
                return
            spare.heard_at = time.monotonic()
            spare.received += data
        while not spare.is_taken and (place := spare.received.find(b"\n")) >= 0:
            line = spare.received[:place].decode(errors="replace")
            del spare.received[: place + 1]
            if line.startswith("TAKE "):
                self._take(spare, line[5:])
        if not spare.is_taken and len(spare.received) > TUNNEL_LINE_MAX:
            self._drop(spare)

    def _take(self, spare: SpareConnection, port: str) -> None:
        """Connect to the port, elsewhere, since it may wait; then join."""
        work = spare.work
        spare.is_taken = True
        work.spares.discard(spare)
        self._selector.unregister(spare.socket)
        target = work.targets.get(port, not_served)

        def connect() -> None:
            try:
                other = target()
            except Exception as error:  # noqa: BLE001 - whatever it is, the stream is refused and told why
                reason = (getattr(error, "strerror", None) or str(error)).replace("\n", " ")[:120]
                self._order(lambda: self._decided(work, partial(self._refuse, spare, reason)))
                return
            self._order(lambda: self._decided(work, partial(self._join, spare, other)))

        work.asked.append(connect)
        self._connect_next(work)
        self._fill(work)

    def _connect_next(self, work: ServedWork) -> None:
        while work.asked and work.being_connected < TARGETS_A_WORK:
            work.being_connected += 1
            self._targets.submit(work.asked.popleft())

    def _decided(self, work: ServedWork, outcome: Callable[[], None]) -> None:
        work.being_connected -= 1
        outcome()
        self._connect_next(work)

    def _refuse(self, spare: SpareConnection, reason: str) -> None:
        with contextlib.suppress(OSError):
            spare.socket.send(f"NO {reason}\n".encode())
        spare.socket.close()

    # ---- streams ---------------------------------------------------------------------------------

    def _join(self, spare: SpareConnection, other: socket.socket) -> None:
        work = spare.work
        if self._works.get(work.token) is not work:
            spare.socket.close()
            other.close()
            return
        other.setblocking(False)
        pair = JoinedPair(work.joined, spare.socket, other)
        pair.waiting[0].extend(b"OK\n")
        pair.waiting[1].extend(spare.received)
        self._copies.join(pair)
        self._fill(work)

    def _end_work(self, token: str) -> None:
        work = self._works.pop(token, None)
        if work is None:
            return
        work.is_over = True
        for spare in list(work.spares):
            self._drop(spare)
        for pair in list(work.joined):
            self._copies.end(pair)
