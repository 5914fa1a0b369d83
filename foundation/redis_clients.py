"""Makes the clients of Redis. No other module does, so the pools of a process can be counted here.

Django's settings are not read, so programs without Django use it too. Celery makes its own client.
"""

from __future__ import annotations

from functools import cache

import redis
from redis import asyncio


@cache
def client(url: str, *, answer_seconds: float, connect_seconds: float) -> redis.Redis:
    """A thread-safe client with a pool of its own, made once a process for the same arguments."""
    return redis.Redis.from_url(url, socket_timeout=answer_seconds, socket_connect_timeout=connect_seconds)


def asyncio_client(url: str, *, connect_seconds: float) -> asyncio.Redis:
    """A client for one event loop. Its maker closes it."""
    return asyncio.Redis.from_url(url, socket_connect_timeout=connect_seconds)
