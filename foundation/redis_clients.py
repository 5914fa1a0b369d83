"""Makes the clients of Redis. No other module does, so the pools of a process can be counted here.

Django's settings are not read, so programs without Django use it too. Celery makes its own client.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
from redis import asyncio, sentinel
from redis.asyncio import retry as asyncio_retry
from redis.asyncio import sentinel as asyncio_sentinel
from redis.backoff import NoBackoff

from foundation.redis_addresses import Sentinels, sentinels_of
from foundation.redis_retries import Breaker, sentinel_options


@cache
def client(url: str, *, answer_seconds: float, connect_seconds: float) -> redis.Redis:
    """A thread-safe client with a pool of its own, made once a process for the same arguments.

    A call takes `connect_seconds` or `answer_seconds` at most when Redis is away. With Sentinels, a new
    connection also takes half a second for each of them that does not answer.
    """
    times: dict[str, Any] = {"socket_timeout": answer_seconds, "socket_connect_timeout": connect_seconds}
    breaker = Breaker(longest_seconds=answer_seconds + connect_seconds)
    if (sentinels := sentinels_of(url)) is None:
        return redis.Redis.from_url(url, retry=breaker, **times)
    manager: Any = sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=sentinel_options(sentinels))  # type: ignore[no-untyped-call]
    options = {"retry": breaker, **times, **_primary_options(sentinels)}
    primary: redis.Redis = manager.master_for(sentinels.name, **options)
    return primary


def asyncio_client(url: str, *, connect_seconds: float) -> asyncio.Redis:
    """A client for one event loop. Its maker closes it."""
    if (sentinels := sentinels_of(url)) is None:
        return asyncio.Redis.from_url(url, socket_connect_timeout=connect_seconds)
    options = sentinel_options(sentinels) | {"retry": asyncio_retry.Retry(NoBackoff(), 0)}
    manager: Any = asyncio_sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
    times = {"socket_connect_timeout": connect_seconds}
    primary: asyncio.Redis = manager.master_for(
        sentinels.name, redis_class=_AsyncioPrimary, **times, **_primary_options(sentinels)
    )
    return primary


class _AsyncioPrimary(asyncio.Redis):
    """A client of the primary that also closes its connections to the Sentinels."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        await super().aclose(close_connection_pool)
        for each in self.connection_pool.sentinel_manager.sentinels:  # type: ignore[attr-defined]
            await each.aclose()


def _primary_options(sentinels: Sentinels) -> dict[str, Any]:
    return {"db": sentinels.database, "username": sentinels.username, "password": sentinels.password}
