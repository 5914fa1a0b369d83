"""One bell in the air is enough, and none is needed while somebody listens.

Who drains a shard stays at its post for a moment after the log is empty: a bell then is one word to Redis,
where a Celery task would cost more than the matching of its order. Where nobody is at the post, a mark says
that a task was sent and has not begun, and no second one is sent. A mark or a post left behind by a dead
worker is gone after a second; whatever bell it swallowed, the sweep makes up for.

Everything here happens after the commit that it tells of. Whoever hears a bell, or leaves the post, reads
the log afterwards, so what was committed before that is seen.
"""

from __future__ import annotations

import contextlib
import math
import time
from functools import cache
from typing import Self

import redis
from django.conf import settings
from redis.commands.core import Script

MARK_MILLISECONDS = 1000
LISTEN_SECONDS = 0.2
# What comes in so soon after the last bell shares a batch with what comes next; a first one never waits.
GATHER_SECONDS = 0.01

RING = """
if redis.call('EXISTS', KEYS[2]) == 1 then
    if redis.call('LLEN', KEYS[3]) == 0 then
        redis.call('RPUSH', KEYS[3], 1)
        redis.call('PEXPIRE', KEYS[3], ARGV[1])
    end
    return 0
end
if redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then return 1 end
return 0
"""


def needs_task(shard: int) -> bool:
    """Ring for a shard: whether a task must be sent, because nobody listens and none is on its way.

    Without Redis every ring needs one.
    """
    try:
        return bool(_ring()(keys=[_mark(shard), _post(shard), _bell(shard)], args=[MARK_MILLISECONDS]))
    except redis.RedisError:
        return True


def heard(shard: int) -> None:
    """Wipe the mark: the task has begun, and the next commit must ring again."""
    try:
        _redis().delete(_mark(shard))
    except redis.RedisError:
        return


class Post:
    """Where one who drains a shard listens for more, until a moment of the monotonic clock.

    A context: the post is taken up before the log is read, so no bell falls between the two.
    """

    def __init__(self, shard: int, *, until: float) -> None:
        self.shard = shard
        self.until = until
        self._is_manned = False
        self._heard_at = -math.inf

    def __enter__(self) -> Self:
        if time.monotonic() < self.until:
            with contextlib.suppress(redis.RedisError):
                self._man()
        return self

    def __exit__(self, *_: object) -> None:
        # Bells in the air are lost with the post: the log is looked at once more.
        if self._is_manned:
            with contextlib.suppress(redis.RedisError):
                _redis().delete(_post(self.shard), _bell(self.shard))

    def hear(self) -> bool:
        """Wait a moment for a bell; False if there was none, or if it is time to go.

        Bells that follow each other closely are heard as one, `GATHER_SECONDS` after the one before.
        """
        if time.monotonic() >= self.until:
            return False
        time.sleep(max(0.0, self._heard_at + GATHER_SECONDS - time.monotonic()))
        try:
            # If the post was gone, a batch took longer than it stands: who rang meanwhile was not heard.
            if self._man() and _redis().blpop([_bell(self.shard)], timeout=LISTEN_SECONDS) is None:
                return False
        except redis.RedisError:
            return False
        self._heard_at = time.monotonic()
        return True

    def _man(self) -> bool:
        """Stand at the post for the next second; whether we stood there before."""
        self._is_manned = True
        return bool(_redis().set(_post(self.shard), 1, px=MARK_MILLISECONDS, get=True))


def _mark(shard: int) -> str:
    return f"{settings.REDIS_PREFIX}:market-bell:{shard}"


def _post(shard: int) -> str:
    return f"{settings.REDIS_PREFIX}:market-post:{shard}"


def _bell(shard: int) -> str:
    return f"{settings.REDIS_PREFIX}:market-heard:{shard}"


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)


@cache
def _ring() -> Script:
    return _redis().register_script(RING)
