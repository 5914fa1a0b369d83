"""Limits on what one client may use of the server: time, rate, bytes and connections."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Pace:
    """The least speed of a transfer; slower ones are ended.

    `stall_seconds` is how long no byte at all may move; `bytes_per_second` is the least rate over
    `window_seconds`. Only time spent waiting for the client counts.
    """

    stall_seconds: float
    bytes_per_second: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server process. Sizes are in bytes."""

    # From the connection, or from the first byte of a later request, to the end of its head.
    head_seconds: float = 20.0
    # Seconds that a connection may stay open between two requests.
    idle_seconds: float = 75.0
    head_bytes: int = 64 * KIB
    target_bytes: int = 8190
    header_count: int = 100
    # A body up to this size is received by the loop; the view's thread is taken once it is complete.
    # A larger body is read by the view, from the first that many bytes on.
    buffered_body_bytes: int = 256 * KIB
    # Bytes of all buffered bodies of the process together; beyond it, views read the bodies themselves.
    buffered_total_bytes: int = 64 * MIB
    # Responses that wait in memory for slow readers; beyond it the slowest are ended.
    unsent_total_bytes: int = 256 * MIB
    # A thread that waits for its client: an upload, or a response that the view produces piece by piece.
    transfer: Pace = Pace(stall_seconds=60.0, bytes_per_second=1 * KIB, window_seconds=60.0)
    # A finished response or a file that waits for its reader costs no thread, so it may wait long. The window
    # is long because bytes leave in steps: the kernel asks for more when a third of its buffer is free.
    send: Pace = Pace(stall_seconds=600.0, bytes_per_second=1 * KIB, window_seconds=600.0)
    # After an early refusal: how long what the client still sends is received and dropped.
    linger_seconds: float = 5.0
    threads: int = 16
    # Threads that may wait for their clients at one time, besides `threads`. When that many do, and another
    # would, the slowest is ended, unless all move at this rate.
    transfers: int = 128
    kept_bytes_per_second: int = 64 * KIB
    connections: int = 4096
    # Connections from one address, by this process; 0 means no limit. Trusted proxies have none.
    connections_per_address: int = 0
    trusted_proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    # Requests to these paths reach their view once the head is complete, whatever their body.
    head_dispatch_prefixes: tuple[str, ...] = ()
    graceful_seconds: float = 10.0


@dataclass(slots=True)
class Progress:
    """Measures the speed of a transfer over the time that was spent waiting for its client.

    `waited` seconds and `moved` bytes are of the present window; for `still` seconds nothing has moved.
    """

    waited: float = 0.0
    moved: int = 0
    still: float = 0.0

    def note(self, *, waited: float, moved: int) -> None:
        """Count one wait of so many seconds, in which so many bytes moved."""
        self.waited += waited
        self.moved += moved
        self.still = 0.0 if moved else self.still + waited

    def is_too_slow(self, pace: Pace) -> bool:
        """True if the transfer must be ended. Call it after every wait."""
        is_slow = self.still >= pace.stall_seconds
        if self.waited >= pace.window_seconds:
            is_slow |= self.moved < pace.bytes_per_second * self.waited
            self.waited, self.moved = 0.0, 0
        return is_slow
