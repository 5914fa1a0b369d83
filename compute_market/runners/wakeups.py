"""The connection on which the hub wakes the agent, so that new work starts at once although it seldom asks.

The hub writes `WAKE` when something is to begin or to stop on this node, and `PING` to keep the connection
alive. Without the connection (an older hub, a proxy that lets no upgrade through) the agent asks more often.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable

from compute_market.runners.hub_link import BASE_PATH, HubLink
from compute_market.runners.hub_sockets import HubSockets, UpgradeRefused
from compute_market.runners.loops import say

WAKE_ACTION = "wakeups"
WAKE_PROTOCOL = "bazaar-wake/1"
# The hub says PING every half minute.
WAKE_SILENT_S = 100.0
WAKE_LINE_MAX = 200
# Agents whose connections broke together do not all come back at the same moment.
WAKE_RETRY_FIRST_S, WAKE_RETRY_LAST_S = 1.0, 60.0


class Wakeups:
    """Holds the connection in a thread; calls `on_wake` for each wake-up and each time it is open anew."""

    def __init__(self, link: HubLink, *, on_wake: Callable[[], None], stopping: threading.Event) -> None:
        self._link = link
        self._hub = HubSockets(link.url)
        self._on_wake = on_wake
        self._stopping = stopping
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._retry_s = WAKE_RETRY_FIRST_S
        self.is_open = False

    def once(self) -> float:
        """Hold one connection until it breaks; the seconds until the next is tried. A step of a `Loop`."""
        try:
            self._hold()
        except (OSError, ValueError, UpgradeRefused) as error:
            if self._retry_s == WAKE_RETRY_FIRST_S and not self._stopping.is_set():
                say(f"the hub cannot wake this agent, which asks more often instead: {error}")
        finally:
            self.is_open = False
        seconds = self._retry_s * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        self._retry_s = min(WAKE_RETRY_LAST_S, self._retry_s * 2)
        return seconds

    def close(self) -> None:
        """Have `once` return."""
        with self._lock, contextlib.suppress(OSError):
            if self._connection is not None:
                self._connection.shutdown(socket.SHUT_RDWR)

    def _hold(self) -> None:
        headers = self._link.signature(WAKE_ACTION, b"", method="GET")
        connection, _, received = self._hub.upgraded(f"{BASE_PATH}/{WAKE_ACTION}", WAKE_PROTOCOL, headers)
        with connection:
            with self._lock:
                self._connection = connection
            try:
                if not self._stopping.is_set():
                    self._listen(connection, received)
            finally:
                with self._lock:
                    self._connection = None

    def _listen(self, connection: socket.socket, received: bytes) -> None:
        """Hear lines until the connection breaks. Raises: OSError."""
        connection.settimeout(WAKE_SILENT_S)
        self.is_open = True
        self._retry_s = WAKE_RETRY_FIRST_S
        say("the hub can wake this agent")
        # Messages that were published without a connection are lost.
        self._on_wake()
        while True:
            *lines, received = received.split(b"\n")
            if b"WAKE" in lines:
                self._on_wake()
            if len(received) > WAKE_LINE_MAX:
                raise OSError("the hub said what is no line")
            data = connection.recv(4096)
            if not data:
                return
            received += data
