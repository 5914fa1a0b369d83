"""The tunnels and ssh servers that run now, as they tell of themselves (`tunnels.presence`)."""

from __future__ import annotations

import time
from collections import Counter
from typing import cast

import redis

from compute_market.tunnels import presence
from foundation.redis_connection import connection, key

KINDS = ("tunnels", "ssh")


def running() -> dict[str, list[presence.Facts]]:
    """Kind → the numbers of each process; empty lists where none is heard or Redis does not answer."""
    try:
        rows = cast("dict[bytes, bytes]", connection().hgetall(key(presence.PROCESSES)))
    except redis.RedisError:
        rows = {}
    found = presence.read(rows, now=time.time())
    return {kind: found.get(kind, []) for kind in KINDS}


def sums(facts: list[presence.Facts]) -> dict[str, float]:
    """The numbers of all processes of a kind together."""
    total: Counter[str] = Counter()
    for one in facts:
        total.update(cast("dict[str, int]", one))
    return {name: float(value) for name, value in total.items()}


def tell(kind: str, facts: presence.Facts) -> None:
    """Tell this process's numbers. Raises: redis.RedisError."""
    connection().hset(key(presence.PROCESSES), presence.own_field(kind), presence.told(facts))


def leave(kind: str) -> None:
    """Tell that this process ends. Raises: redis.RedisError."""
    connection().hdel(key(presence.PROCESSES), presence.own_field(kind))
