"""Server-sent events: one thread of a process serves all of its subscribers.

A topic's events are numbered rows in the database. A Redis message only names the topics that have new ones,
and a slow poll finds what a lost message left. A subscriber has a bounded buffer; one that does not read
is disconnected and may resume by `Last-Event-ID`.

Format: WHATWG HTML, section 9.2, "Server-sent events".
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import redis
from django.db import close_old_connections

from foundation.answers import Answer, encoded

log = logging.getLogger(__name__)

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
)
BUFFER_BYTES_MAX = 256 * 1024
# The kernel would keep megabytes for each subscriber that does not read.
SOCKET_BYTES = 64 * 1024
HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 1.0
# A private stream checks its reader's permission with each heartbeat, and before it sends events if the last
# check is older than this.
RIGHTS_SECONDS = 1.0
# Each topic that is polled costs a query; with more topics than this they take turns.
POLLED_AT_ONCE = 100
SUBSCRIBERS_MAX = 5000
BATCH = 500


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `number` grows by one from event to event of a topic; `data` is one line."""

    number: int
    name: str
    data: str

    @classmethod
    def of(cls, number: int, name: str, data: Answer) -> Event:
        """An event whose data is an answer of the API."""
        return cls(number, name, encoded(data).decode())

    def render(self) -> bytes:
        return f"id: {self.number}\nevent: {self.name}\ndata: {self.data}\n\n".encode()


# (topic, after, limit) → the events of the topic numbered above `after`, in order, at most `limit`.
Fetch = Callable[[str, int, int], Sequence[Event]]


@dataclass(slots=True, eq=False)
class Subscriber:
    """One open connection. `sent` is the number of the last event put into its buffer.

    `is_allowed` checks the reader's permission; the stream ends when it returns false. None: everybody may
    read. `asked_at` is the time of the last check, on the monotonic clock.
    """

    connection: socket.socket
    topic: str
    sent: int
    address: str = ""
    is_allowed: Callable[[], bool] | None = None
    asked_at: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)

    def may_read(self, *, known_for: float = 0.0) -> bool:
        """True if the reader may read. An answer that is at most `known_for` seconds old is reused."""
        now = time.monotonic()
        if self.is_allowed is None or now - self.asked_at < known_for:
            return True
        self.asked_at = now
        return self.is_allowed()


class Full(StrEnum):
    """The limit that a further subscriber would break."""

    PROCESS = "process"
    TOPIC = "topic"
    ADDRESS = "address"


class Broadcaster:
    """The thread, started with the first subscriber."""

    def __init__(self, *, fetch: Fetch, redis_connection: Callable[[], redis.Redis], channel: str) -> None:
        self.fetch, self.redis_connection, self.channel = fetch, redis_connection, channel
        self._lock = threading.Lock()
        self._new: list[Subscriber] = []
        self._topics: dict[str, set[Subscriber]] = {}
        self._unpolled: list[str] = []
        self._news: set[str] = set()
        self._selector: selectors.BaseSelector | None = None
        self._count = 0
        self._of_topic: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self._pair: tuple[socket.socket, socket.socket]

    @property
    def count(self) -> int:
        """The number of connected subscribers."""
        return self._count

    def subscribe(
        self,
        take: Callable[[], socket.socket],
        *,
        topic: str,
        after: int,
        headers: bytes = b"",
        first: bytes = b"",
        is_allowed: Callable[[], bool] | None = None,
        most_of_topic: int | None = None,
        address: str = "",
        most_of_address: int | None = None,
    ) -> Full | None:
        """Serve a connection from now on: events after number `after`, behind the bytes of `first`.

        `take` gives the connection; it is called only if no limit forbids another subscriber, and else the
        limit is returned. `headers` are whole lines with their ends. `is_allowed` is called in the thread of
        the streams. `address` is where the reader comes from.
        """
        with self._lock:
            full = self._limit_reached(topic, most_of_topic, address, most_of_address)
            if full is not None:
                return full
            self._count_one(topic, address, 1)
        try:
            subscriber = Subscriber(take(), topic, after, address, is_allowed)
        except BaseException:
            with self._lock:
                self._count_one(topic, address, -1)
            raise
        subscriber.buffer += HEAD + headers + b"\r\nretry: 2000\n\n" + first
        with self._lock:
            self._new.append(subscriber)
            if self._selector is None:
                self._start()
        self._wake()
        return None

    def _limit_reached(
        self, topic: str, most_of_topic: int | None, address: str, most_of_address: int | None
    ) -> Full | None:
        if self._count >= SUBSCRIBERS_MAX:
            return Full.PROCESS
        if most_of_topic is not None and self._of_topic[topic] >= most_of_topic:
            return Full.TOPIC
        if address and most_of_address is not None and self._of_address[address] >= most_of_address:
            return Full.ADDRESS
        return None

    def _count_one(self, topic: str, address: str, by: int) -> None:
        """Count a subscriber in or out; the caller holds the lock."""
        self._count += by
        for counts, name in ((self._of_topic, topic), (self._of_address, address)):
            counts[name] += by
            if not counts[name]:
                del counts[name]

    # ---- the threads -----------------------------------------------------------------------------

    def _start(self) -> None:
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        self._pair = (wake_read, wake_write)
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake_read, selectors.EVENT_READ, None)
        threading.Thread(target=self._run, name="event-streams", daemon=True).start()
        threading.Thread(target=self._listen, name="event-messages", daemon=True).start()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already
            self._pair[1].send(b"\0")

    def _listen(self) -> None:
        """Receive the names of topics with new events. While Redis is away the poll alone finds them."""
        while True:
            try:
                channel = self.redis_connection().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                channel.subscribe(self.channel)
                while True:
                    message = channel.get_message(timeout=30.0)
                    if message is not None and self._count:
                        with self._lock:
                            self._news.update(message["data"].decode().split())
                        self._wake()
            except (redis.RedisError, OSError, ValueError):
                # The client raises the last two where its connection was closed while it read.
                time.sleep(POLL_SECONDS)

    def _run(self) -> None:
        polled = beaten = time.monotonic()
        while True:
            assert self._selector is not None
            for key, mask in self._selector.select(POLL_SECONDS):
                if key.data is None:
                    self._drain_wake()
                elif mask & selectors.EVENT_READ and not self._still_there(key.data):
                    self._drop(key.data)
                elif mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
            try:
                topics = self._admit()
                now = time.monotonic()
                if now - polled >= POLL_SECONDS:
                    polled = now
                    topics |= self._polled()
                for topic in topics:
                    self._advance(topic)
                if now - beaten >= HEARTBEAT_SECONDS:
                    beaten = now
                    self._beat()
            except Exception:
                # One failure (the database is away) must not end every stream of the process.
                log.exception("event_streams_failed")
                time.sleep(POLL_SECONDS)
            finally:
                close_old_connections()

    def _polled(self) -> set[str]:
        """The topics to look at although no message named them: all, or the next of them in turn."""
        if not self._unpolled:
            self._unpolled = list(self._topics)
        turn, self._unpolled = self._unpolled[:POLLED_AT_ONCE], self._unpolled[POLLED_AT_ONCE:]
        return set(turn) & self._topics.keys()

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pair[0].recv(4096):
                pass

    def _admit(self) -> set[str]:
        """Take in new subscribers; return the topics to look at."""
        with self._lock:
            new, self._new = self._new, []
            topics, self._news = self._news, set()
        for subscriber in new:
            subscriber.connection.setblocking(False)
            with contextlib.suppress(OSError):
                subscriber.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            assert self._selector is not None
            self._selector.register(subscriber.connection, selectors.EVENT_READ, subscriber)
            self._topics.setdefault(subscriber.topic, set()).add(subscriber)
            topics.add(subscriber.topic)
            self._flush(subscriber)
        return topics & self._topics.keys()

    def _advance(self, topic: str) -> None:
        """Give every subscriber of a topic what it has not had; one query for those that are level."""
        subscribers = self._topics.get(topic)
        while subscribers:
            after = min(subscriber.sent for subscriber in subscribers)
            events = self.fetch(topic, after, BATCH)
            if not events:
                return
            rendered = [(event.number, event.render()) for event in events]
            for subscriber in list(subscribers):
                news = b"".join(data for number, data in rendered if number > subscriber.sent)
                subscriber.sent = max(subscriber.sent, rendered[-1][0])
                if news and not subscriber.may_read(known_for=RIGHTS_SECONDS):
                    self._drop(subscriber)
                elif news:
                    subscriber.buffer += news
                    self._flush(subscriber)
            if len(events) < BATCH:
                return

    def _beat(self) -> None:
        for subscribers in list(self._topics.values()):
            for subscriber in list(subscribers):
                if not subscriber.may_read():
                    self._drop(subscriber)
                    continue
                subscriber.buffer += b": still here\n\n"
                self._flush(subscriber)

    # ---- one connection --------------------------------------------------------------------------

    def _flush(self, subscriber: Subscriber) -> None:
        """Write as much as the socket takes. A subscriber with too many unsent bytes is disconnected."""
        try:
            while subscriber.buffer:
                sent = subscriber.connection.send(subscriber.buffer)
                del subscriber.buffer[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._drop(subscriber)
            return
        if len(subscriber.buffer) > BUFFER_BYTES_MAX:
            self._drop(subscriber)
            return
        assert self._selector is not None
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if subscriber.buffer else 0)
        self._selector.modify(subscriber.connection, wanted, subscriber)

    @staticmethod
    def _still_there(subscriber: Subscriber) -> bool:
        """Subscribers have nothing to say; an empty read is their good-bye."""
        try:
            return bool(subscriber.connection.recv(4096))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _drop(self, subscriber: Subscriber) -> None:
        members = self._topics.get(subscriber.topic, set())
        if subscriber not in members:
            return
        members.discard(subscriber)
        if not members:
            self._topics.pop(subscriber.topic, None)
        assert self._selector is not None
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(subscriber.connection)
        with self._lock:
            self._count_one(subscriber.topic, subscriber.address, -1)
        # Last, so that a reader who sees the end can open another stream.
        subscriber.connection.close()
