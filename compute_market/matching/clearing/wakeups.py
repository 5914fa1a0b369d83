"""Wake-ups of the workers that drain shards: at most one task per shard is queued, none while one listens.

A worker that has drained a shard listens on Redis for a moment. A wake-up is then one list entry in Redis;
a Celery task would cost more than matching the order. While no worker listens, a key says that a task was
sent and has not begun, so that no second one is sent. Keys left behind by a dead worker expire after a
second; the periodic sweep finds shards whose wake-up was lost.

A wake-up is sent after the commit that it announces. A worker reads the command log after each wake-up, and
once more after it stops listening, so it sees everything that was committed before.
"""

from __future__ import annotations

import contextlib
import math
import time
from functools import cache
from typing import Self

import redis
from redis.commands.core import Script

from foundation.redis_connection import hasty_connection, key

KEY_MILLISECONDS = 1000
LISTEN_SECONDS = 0.2
# Wake-ups that follow the last one within this time share a batch; the first one never waits.
GATHER_SECONDS = 0.01

WAKE = """
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
    """Wake the worker that listens for the shard. True if a task must be sent instead.

    A task is needed if no worker listens and no task is queued, and whenever Redis does not answer.
    """
    try:
        return bool(
            _wake_script()(
                client=hasty_connection(),
                keys=[_sent_key(shard), _listening_key(shard), _wakeups_key(shard)],
                args=[KEY_MILLISECONDS],
            )
        )
    except redis.RedisError:
        return True


def task_begun(shard: int) -> None:
    """Forget that a task was sent: it has begun, and the next commit must send another wake-up."""
    try:
        hasty_connection().delete(_sent_key(shard))
    except redis.RedisError:
        return


class Listener:
    """Listens for wake-ups of a shard until a moment of the monotonic clock.

    A context manager: listening begins before the log is read, so no wake-up is missed between the two.
    """

    def __init__(self, shard: int, *, until: float) -> None:
        self.shard = shard
        self.until = until
        self._is_listening = False
        self._woken_at = -math.inf

    def __enter__(self) -> Self:
        if time.monotonic() < self.until:
            with contextlib.suppress(redis.RedisError):
                self._announce()
        return self

    def __exit__(self, *_: object) -> None:
        # Wake-ups that were not read are lost here: the caller reads the log once more.
        if self._is_listening:
            with contextlib.suppress(redis.RedisError):
                hasty_connection().delete(_listening_key(self.shard), _wakeups_key(self.shard))

    def wait(self) -> bool:
        """Wait a moment for a wake-up. False if there was none, or if the time to listen is over.

        Wake-ups that follow each other closely count as one, `GATHER_SECONDS` after the one before.
        """
        if time.monotonic() >= self.until:
            return False
        time.sleep(max(0.0, self._woken_at + GATHER_SECONDS - time.monotonic()))
        try:
            # If the key had expired, the batch took longer than it lasts, and wake-ups were sent elsewhere.
            if (
                self._announce()
                and hasty_connection().blpop([_wakeups_key(self.shard)], timeout=LISTEN_SECONDS) is None
            ):
                return False
        except redis.RedisError:
            return False
        self._woken_at = time.monotonic()
        return True

    def _announce(self) -> bool:
        """Say that we listen for the next second. True if the key of before was still there."""
        self._is_listening = True
        return bool(hasty_connection().set(_listening_key(self.shard), 1, px=KEY_MILLISECONDS, get=True))


def _sent_key(shard: int) -> str:
    return key("market-wakeup-sent", shard)


def _listening_key(shard: int) -> str:
    return key("market-listening", shard)


def _wakeups_key(shard: int) -> str:
    return key("market-wakeups", shard)


@cache
def _wake_script() -> Script:
    """Known to Redis by its hash after the first call; sent again when Redis has forgotten it."""
    return Script(hasty_connection(), WAKE)
