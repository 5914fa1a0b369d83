"""Copies bytes between pairs of connections: one thread for all, and no faster than the slower end."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections import deque

COPY_BYTES = 256 * 1024
COPIES_A_TURN = 4


class JoinedPair:
    """Two connections and what waits to be written to each of them. `group` holds it while it is open."""

    def __init__(self, group: set[JoinedPair], first: socket.socket, second: socket.socket) -> None:
        self.group = group
        self.ends = (first, second)
        self.waiting: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self.is_ended = [False, False]
        self.is_shut = [False, False]

    @property
    def is_open(self) -> bool:
        return self in self.group


class StreamCopies:
    """All pairs of one selector. One thread calls its methods."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._buffer = memoryview(bytearray(COPY_BYTES))
        # Ends that may have more to read, which a TLS connection does not tell the selector.
        self._again: deque[tuple[JoinedPair, int]] = deque()

    @property
    def has_more(self) -> bool:
        """True if `copy_more` has work to do."""
        return bool(self._again)

    def join(self, pair: JoinedPair) -> None:
        """Copy between the ends of a pair from now on; first what waits for each of them."""
        pair.group.add(pair)
        for side in (0, 1):
            self._selector.register(pair.ends[side], selectors.EVENT_READ, (pair, side))
        for side in (0, 1):
            self._flush(pair, side)

    def serve(self, pair: JoinedPair, side: int, mask: int) -> None:
        """The selector's events for one end of a pair."""
        if mask & selectors.EVENT_WRITE:
            self._flush(pair, side)
        if mask & selectors.EVENT_READ and pair.is_open:
            self._copy(pair, side)

    def copy_more(self) -> None:
        """Another turn for the ends that had more than their turn."""
        for _ in range(len(self._again)):
            pair, side = self._again.popleft()
            if pair.is_open:
                self._copy(pair, side)

    def end(self, pair: JoinedPair) -> None:
        """Close both ends."""
        if pair.is_open:
            pair.group.discard(pair)
            for end in pair.ends:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end)
                end.close()

    def _copy(self, pair: JoinedPair, side: int) -> None:
        """Bytes from one end to the other, as long as both are quick."""
        source, sink = pair.ends[side], pair.ends[1 - side]
        waiting = pair.waiting[1 - side]
        for _ in range(COPIES_A_TURN):
            if waiting or pair.is_ended[side]:
                return
            try:
                size = source.recv_into(self._buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                self.end(pair)
                return
            if not size:
                pair.is_ended[side] = True
                self._flush(pair, 1 - side)
                return
            sent = self._send(pair, 1 - side, sink, self._buffer[:size])
            if sent < 0:
                return
            if sent < size:
                waiting += self._buffer[sent:size]
                self._watch(pair)
                return
        self._again.append((pair, side))

    def _send(self, pair: JoinedPair, side: int, sink: socket.socket, data: memoryview) -> int:
        """The number of bytes that the kernel accepted; -1 at the end of the stream."""
        try:
            return sink.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError:
            self.end(pair)
            return -1

    def _flush(self, pair: JoinedPair, side: int) -> None:
        """Write what waits for one end; then read its other end again."""
        waiting = pair.waiting[side]
        while waiting:
            with memoryview(waiting) as view:
                sent = self._send(pair, side, pair.ends[side], view)
            if sent < 0:
                return
            if sent == 0:
                break
            del waiting[:sent]
        if not waiting and pair.is_ended[1 - side] and not pair.is_shut[side]:
            pair.is_shut[side] = True
            with contextlib.suppress(OSError):
                pair.ends[side].shutdown(socket.SHUT_WR)
            if all(pair.is_shut):
                self.end(pair)
                return
        self._watch(pair)
        if not waiting and not pair.is_ended[1 - side]:
            self._again.append((pair, 1 - side))

    def _watch(self, pair: JoinedPair) -> None:
        """An end is read unless the other is full, and written to if something waits for it."""
        for side in (0, 1):
            events = selectors.EVENT_WRITE if pair.waiting[side] else 0
            if not pair.waiting[1 - side] and not pair.is_ended[side]:
                events |= selectors.EVENT_READ
            end = pair.ends[side]
            known = end.fileno() in self._selector.get_map()
            if events and known:
                self._selector.modify(end, events, (pair, side))
            elif events:
                self._selector.register(end, events, (pair, side))
            elif known:
                self._selector.unregister(end)
