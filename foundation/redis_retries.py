"""The retry policy of all clients of Redis: never at once, and not for a moment after a time-out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation.redis_addresses import Sentinels

# A Redis that made a caller wait is left alone for so long, and a failure that took less made nobody wait.
PAUSE_SECONDS = 1.0
SLOW_SECONDS = 0.1
# Each Sentinel that does not answer costs a new connection so much.
SENTINEL_SECONDS = 0.5

Result = TypeVar("Result")


class LeftAlone(redis.ConnectionError):
    """Redis made a caller wait a moment ago, so it is not asked now."""


class Breaker(Retry):
    """No second attempts, and none at all for a moment after an attempt that failed slowly.

    One request asks Redis several times, and one process serves many requests. If Redis hangs, or packets to
    it are lost, one of them waits for the time-out and the others fail at once. After the pause one caller
    tries again, while the others still fail.

    The connections of a pool share one breaker. redis-py calls it for each attempt to connect or to ask.
    """

    def __init__(self, *, longest_seconds: float) -> None:
        """`longest_seconds`: the time-out of the slowest attempt."""
        super().__init__(NoBackoff(), 0)
        self._longest_seconds = longest_seconds
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._inside = threading.local()

    def __deepcopy__(self, _memo: object) -> Breaker:
        """Connections copy their retry policy; this one is shared."""
        return self

    def call_with_retry(
        self, do: Callable[[], Result], fail: Callable[..., Any], *arguments: Any, **named: Any
    ) -> Result:
        """The result of `do`. Raises: LeftAlone during a pause, or what `do` raises."""
        if getattr(self._inside, "is_so", False):  # an attempt to ask connects first
            return super().call_with_retry(do, fail, *arguments, **named)
        self._enter()
        self._inside.is_so = True
        began = time.monotonic()
        try:
            result = super().call_with_retry(do, fail, *arguments, **named)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            now = time.monotonic()
            self._closed_until = now + PAUSE_SECONDS if now - began >= SLOW_SECONDS else 0.0
            raise
        except BaseException:
            self._closed_until = 0.0
            raise
        finally:
            self._inside.is_so = False
        self._closed_until = 0.0
        return result

    def _enter(self) -> None:
        """Pass, or raise LeftAlone. The first to pass after a pause closes the way until its attempt ends."""
        if not self._closed_until:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                raise LeftAlone("Redis did not answer in time a moment ago.")
            if self._closed_until:
                self._closed_until = now + self._longest_seconds


def sentinel_options(sentinels: Sentinels) -> dict[str, Any]:
    """Options of a connection to a Sentinel: it is quick or fails, because another one answers too."""
    return {
        "password": sentinels.sentinel_password,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
