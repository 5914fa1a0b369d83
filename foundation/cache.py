"""Django's cache, kept in the Redis of the deployment beside the counters, locks and queues there.

It differs from Django's own Redis backend in what the hub needs:

- It uses the pool of `redis_connection`, and its keys lie in this deployment's own space.
- Values are kept as JSON, not pickled, so somebody who can write to that Redis cannot run code here.
- Without Redis it is an empty cache, and its callers compute their answers anew.
- Time-outs may be parts of a second.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import orjson
import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from foundation import redis_connection

# After a failure Redis is left alone this long, so that one request does not wait for each of its questions.
PAUSE_SECONDS = 1.0
# No JSON text begins with it.
BYTES = b"\0"
log = logging.getLogger(__name__)

_asked_again_at: dict[redis.Redis, float] = {}


class Cache(BaseCache):
    """Values are what JSON can hold, or bytes. A key may be any text."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def make_key(self, key: str, version: int | None = None) -> str:
        return redis_connection.key("cache", self.version if version is None else version, key)

    def validate_key(self, key: str) -> None:
        """Redis takes any key."""

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._write(self.make_key(key, version), value, timeout, only_new=True))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        name = self.make_key(key, version)
        stored = _ask(lambda client: client.get(name))
        return default if stored is None else _loads(stored)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._write(self.make_key(key, version), value, timeout, only_new=False)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name, milliseconds = self.make_key(key, version), self._milliseconds(timeout)
        if milliseconds is None:
            return bool(_ask(lambda client: client.persist(name)))
        return bool(_ask(lambda client: client.pexpire(name, milliseconds)))

    def delete(self, key: str, version: int | None = None) -> bool:
        name = self.make_key(key, version)
        return bool(_ask(lambda client: client.delete(name)))

    def clear(self) -> None:
        """Delete all that is cached, and nothing else of this deployment."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", redis_connection.key("cache", "")) + "*"

        def delete_all(client: redis.Redis) -> None:
            for name in client.scan_iter(match=pattern, count=1000):
                client.unlink(name)

        _ask(delete_all)

    def _write(self, name: str, value: Any, timeout: Any, *, only_new: bool) -> Any:
        milliseconds, stored = self._milliseconds(timeout), _dumps(value)
        if milliseconds == 0:
            return _ask(lambda client: False if only_new else client.delete(name))
        return _ask(lambda client: client.set(name, stored, px=milliseconds, nx=only_new))

    def _milliseconds(self, timeout: Any) -> int | None:
        """Django's seconds in Redis's unit; None keeps a value forever."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        if seconds is None:
            return None
        return max(1, int(seconds * 1000)) if seconds > 0 else 0


def _ask(question: Callable[[redis.Redis], Any]) -> Any:
    """The answer of Redis; None while it does not answer."""
    client = redis_connection.connection()
    if time.monotonic() < _asked_again_at.get(client, 0.0):
        return None
    try:
        return question(client)
    except redis.RedisError as error:
        _asked_again_at[client] = time.monotonic() + PAUSE_SECONDS
        log.warning("cache_unavailable error=%s", error)
        return None


def _dumps(value: Any) -> bytes:
    return BYTES + value if isinstance(value, bytes) else orjson.dumps(value)


def _loads(stored: bytes) -> Any:
    return stored[len(BYTES) :] if stored.startswith(BYTES) else orjson.loads(stored)
