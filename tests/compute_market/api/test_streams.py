from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compute_market.api import streams
from compute_market.api.streams import Broadcaster, Event, Full
from foundation.redis_connection import connection, key
from tests.waiting import until


class Feed:
    """Events in memory, one list a topic."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.calls = 0

    def add(self, topic: str, count: int = 1, *, data: str = "{}", publishes: bool = True) -> None:
        rows = self.events.setdefault(topic, [])
        for _ in range(count):
            rows.append(Event(len(rows) + 1, "trade", data))
        if publishes:
            connection().publish(key("test-events"), topic)

    def fetch(self, topic: str, after: int, limit: int) -> list[Event]:
        self.calls += 1
        return [event for event in self.events.get(topic, []) if event.number > after][:limit]


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def broadcaster(feed: Feed) -> Broadcaster:
    return Broadcaster(fetch=feed.fetch, redis_connection=connection, channel=key("test-events"))


class Listener:
    """The client's end of a connection."""

    def __init__(self, broadcaster: Broadcaster, topic: str, *, after: int = 0, **terms: Any) -> None:
        self.socket, server = socket.socketpair()
        self.socket.settimeout(10)
        self.text = b""
        self.full = broadcaster.subscribe(lambda: server, topic=topic, after=after, **terms)
        if self.full is not None:
            server.close()

    def rest(self) -> bytes:
        """Everything until the stream ends."""
        while data := self.socket.recv(1 << 16):
            self.text += data
        return self.text

    def numbers(self, count: int) -> list[int]:
        """The ids of the first `count` events."""
        while self.text.count(b"\nevent:") < count:
            data = self.socket.recv(1 << 16)
            assert data, "the stream ended"
            self.text += data
        return [int(line[4:]) for line in self.text.split(b"\n") if line.startswith(b"id: ")]


Listen = Callable[..., Listener]


@pytest.fixture
def listen(broadcaster: Broadcaster) -> Iterator[Listen]:
    made: list[Listener] = []

    def call(topic: str, *, after: int = 0, **terms: Any) -> Listener:
        made.append(Listener(broadcaster, topic, after=after, **terms))
        return made[-1]

    yield call
    for listener in made:
        listener.socket.close()
    settle(broadcaster, 0)


def settle(broadcaster: Broadcaster, count: int) -> None:
    until(lambda: broadcaster.count == count, what=lambda: f"{broadcaster.count} subscribers, not {count}")


class TestBroadcaster:
    def test_sends_what_was_there_and_what_comes(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        feed.add("a", 3)
        listener = listen("a")
        assert listener.numbers(3) == [1, 2, 3]
        feed.add("a", 2)
        feed.add("b", 2)
        assert listener.numbers(5) == [1, 2, 3, 4, 5]
        assert listener.text.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream")

    def test_resumes_after_the_last_event_seen(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        feed.add("a", 10)
        assert listen("a", after=7).numbers(3) == [8, 9, 10]

    def test_sends_changes_without_an_event(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        listener = listen("a")
        feed.add("a", 1, publishes=False)
        assert listener.numbers(1) == [1]

    def test_passes_over_more_than_one_batch(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        feed.add("a", streams.BATCH * 2 + 1)
        assert len(listen("a").numbers(streams.BATCH * 2 + 1)) == streams.BATCH * 2 + 1

    def test_cuts_off_who_never_reads_and_keeps_the_others(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        _deaf, listener = listen("a"), listen("a")
        for times in range(1, 41):
            feed.add("a", 10, data="x" * 4000)
            assert len(listener.numbers(10 * times)) == 10 * times
        settle(broadcaster, 1)

    def test_forgets_who_has_left(self, broadcaster: Broadcaster, listen: Listen, feed: Feed) -> None:
        listener = listen("a")
        settle(broadcaster, 1)
        listener.socket.close()
        settle(broadcaster, 0)

    def test_serves_five_hundred_with_few_queries(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed
    ) -> None:
        listeners = [listen("a") for _ in range(500)]
        settle(broadcaster, 500)
        feed.add("a", 1)
        assert all(listener.numbers(1) == [1] for listener in listeners)
        before = feed.calls
        feed.add("a", 4)
        assert all(listener.numbers(5) == [1, 2, 3, 4, 5] for listener in listeners)
        assert feed.calls - before < 50


class TestLimits:
    def test_of_a_topic_and_of_an_address_are_counted_apart(
        self, broadcaster: Broadcaster, listen: Listen
    ) -> None:
        terms = {"most_of_topic": 2, "most_of_address": 3, "address": "192.0.2.1"}
        kept = [listen("a", **terms) for _ in range(2)]
        assert listen("a", **terms).full is Full.TOPIC
        assert listen("b", **terms).full is None
        assert listen("c", **terms).full is Full.ADDRESS
        assert listen("c", **{**terms, "address": "192.0.2.2"}).full is None
        # A subscriber on this machine has no address to be counted by.
        assert listen("c", **{**terms, "address": ""}).full is None
        kept[0].socket.close()
        settle(broadcaster, 4)
        assert listen("a", **terms).full is None

    def test_that_are_reached_leave_the_connection_with_its_owner(
        self, broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "SUBSCRIBERS_MAX", 0)

        def take() -> socket.socket:
            raise AssertionError("taken, though there is no place for it")

        assert broadcaster.subscribe(take, topic="a", after=0) is Full.PROCESS
        assert broadcaster.count == 0

    def test_do_not_count_a_connection_that_could_not_be_taken(self, broadcaster: Broadcaster) -> None:
        def fail() -> socket.socket:
            raise OSError("it is gone")

        with pytest.raises(OSError, match="gone"):
            broadcaster.subscribe(fail, topic="a", after=0, address="192.0.2.1")
        assert broadcaster.count == 0


class TestRights:
    def test_are_asked_for_before_news_is_sent(
        self, broadcaster: Broadcaster, listen: Listen, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "RIGHTS_SECONDS", 0.0)
        allowed = True
        listener, other = listen("a", is_allowed=lambda: allowed), listen("a")
        feed.add("a", 2)
        assert listener.numbers(2) == [1, 2]
        allowed = False
        feed.add("a", 1)
        assert b"id: 3" not in listener.rest()
        assert other.numbers(3) == [1, 2, 3]

    def test_are_asked_for_once_a_second_however_much_there_is_to_send(
        self, listen: Listen, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "RIGHTS_SECONDS", 3600.0)
        asked: list[int] = []

        def is_allowed() -> bool:
            asked.append(1)
            return True

        listener = listen("a", is_allowed=is_allowed)
        for count in range(1, 21):
            feed.add("a", 1)
            listener.numbers(count)
        assert len(asked) <= 1
