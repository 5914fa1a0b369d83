"""One bell in the air is enough: a shard that has been rung for and not yet heard is not rung for again.

A mark in Redis says so. It is wiped when a worker begins to drain, before it reads the log; whatever was
committed by then, it sees. A mark left behind by a lost bell is gone after a second.
"""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings

MARK_MILLISECONDS = 1000


def is_first(shard: int) -> bool:
    """Mark the shard as rung for; whether it was not before. Without Redis every ring is the first."""
    try:
        return bool(_redis().set(_name(shard), 1, nx=True, px=MARK_MILLISECONDS))
    except redis.RedisError:
        return True


def heard(shard: int) -> None:
    """Wipe the mark: the next commit must ring again."""
    try:
        _redis().delete(_name(shard))
    except redis.RedisError:
        return


def _name(shard: int) -> str:
    return f"{settings.REDIS_PREFIX}:market-bell:{shard}"


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)
