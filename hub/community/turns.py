"""Turns of webhooks: which owner's webhooks may be called now, and which next. Kept in Redis, for all
workers.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from foundation.redis_connection import connection, key

# A worker that dies frees its slot after so long; none holds one for longer.
SLOT_SECONDS = 120
# An owner who was not called for so many seconds counts as never called.
KEPT_SECONDS = 24 * 3600
# Only its holder frees a slot.
_FREE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@contextmanager
def slot(count: int) -> Iterator[bool]:
    """Hold one of so many slots; gives whether one was free. Raises: redis.RedisError."""
    holder = secrets.token_hex(8)
    names = (key("webhook-slot", number) for number in range(count))
    held = next((name for name in names if connection().set(name, holder, nx=True, ex=SLOT_SECONDS)), None)
    try:
        yield held is not None
    finally:
        if held is not None:
            connection().eval(_FREE, 1, held, holder)


def next_of(owners: Sequence[int], *, now: datetime) -> int:
    """The owner whose webhooks were called longest ago, which from now on is this moment.

    Raises: redis.RedisError.
    """
    name = key("webhook-turns")
    called = connection().zmscore(name, list(map(str, owners)))
    _, owner = min((at or 0.0, owner) for at, owner in zip(called, owners, strict=True))
    connection().zadd(name, {str(owner): now.timestamp()})
    connection().expire(name, KEPT_SECONDS)
    return owner
