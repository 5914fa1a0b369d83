"""Clients of a Redis that is away, hangs, or has a successor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis

from foundation import redis_clients, redis_retries
from foundation.redis_retries import Breaker, LeftAlone


def never() -> None:
    """Nothing to clean up after a failed attempt."""


def failing(error: Exception) -> None:
    raise error


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a Redis that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


class TestARedisThatHangs:
    def test_is_waited_for_once(self, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redis_retries, "PAUSE_SECONDS", 3600.0)
        client = redis_clients.client(hanging, answer_seconds=0.2, connect_seconds=0.2)
        with pytest.raises(redis.TimeoutError):
            client.get("key")
        pipeline = client.pipeline()
        pipeline.get("key")
        for ask in (lambda: client.get("key"), pipeline.execute, client.ping):
            with pytest.raises(LeftAlone):
                ask()

    def test_is_asked_again_after_the_pause(self, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redis_retries, "PAUSE_SECONDS", 0.0)
        client = redis_clients.client(hanging, answer_seconds=0.21, connect_seconds=0.2)
        for _ in range(2):
            with pytest.raises(redis.TimeoutError):
                client.get("key")


class TestBreaker:
    @pytest.fixture
    def breaker(self, monkeypatch: pytest.MonkeyPatch) -> Breaker:
        monkeypatch.setattr(redis_retries, "SLOW_SECONDS", 0.0)
        return Breaker(longest_seconds=3600)

    @staticmethod
    def ask(breaker: Breaker, error: Exception | None = None) -> None:
        breaker.call_with_retry(lambda: failing(error) if error else None, lambda _error: never())

    def test_lets_one_caller_try_after_the_pause(
        self, breaker: Breaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_retries, "PAUSE_SECONDS", 0.0)
        with pytest.raises(redis.TimeoutError):
            self.ask(breaker, redis.TimeoutError())
        begun, may_end = threading.Event(), threading.Event()

        def try_again() -> None:
            begun.set()
            assert may_end.wait(60)

        first = threading.Thread(target=breaker.call_with_retry, args=(try_again, lambda _error: never()))
        first.start()
        assert begun.wait(60)
        with pytest.raises(LeftAlone):
            self.ask(breaker)
        may_end.set()
        first.join(60)
        self.ask(breaker)

    def test_counts_a_connection_within_an_attempt_as_that_attempt(self, breaker: Breaker) -> None:
        breaker.call_with_retry(lambda: self.ask(breaker), lambda _error: never())

    @pytest.mark.parametrize("error", [redis.ResponseError(), redis.ConnectionError()])
    def test_goes_on_asking_after_a_quick_failure(
        self, error: Exception, breaker: Breaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A refusal to connect costs nobody time, and Redis may be back in the next moment."""
        monkeypatch.setattr(redis_retries, "SLOW_SECONDS", 3600.0)
        with pytest.raises(type(error)):
            self.ask(breaker, error)
        self.ask(breaker)

    def test_is_shared_by_all_connections_of_a_client(self) -> None:
        pool = redis_clients.client(
            "redis://127.0.0.1:1/0", answer_seconds=3, connect_seconds=1
        ).connection_pool
        made = [cast(Any, pool.make_connection()) for _ in range(2)]
        assert made[0].retry is made[1].retry
