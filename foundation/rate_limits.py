"""Rate limits, counted in Redis in fixed windows by the library `limits`.

If Redis does not answer, nothing is limited: a limit protects the service, and an outage of Redis must not
become an outage of every call.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from foundation import callers
from foundation.redis_connection import connection, key


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` events in each window of `seconds`. An amount of 0 means no limit."""

    purpose: str
    amount: int
    seconds: int

    def take(self, *caller: str, cost: int = 1) -> int:
        """Count an event of this caller. Gives 0, or the seconds to wait when there were too many."""
        if self.amount <= 0:
            return 0
        with contextlib.suppress(redis.RedisError):
            if not _limiter().hit(self._item, self.purpose, *caller, cost=cost):
                return self._seconds_left(caller)
        return 0

    def seconds_to_wait(self, *caller: str) -> int:
        """The result that `take` would have, without counting anything."""
        if self.amount <= 0:
            return 0
        with contextlib.suppress(redis.RedisError):
            if not _limiter().test(self._item, self.purpose, *caller):
                return self._seconds_left(caller)
        return 0

    def forget(self, *caller: str) -> None:
        """Begin this caller's count anew."""
        with contextlib.suppress(redis.RedisError):
            _limiter().clear(self._item, self.purpose, *caller)

    @property
    def _item(self) -> RateLimitItemPerSecond:
        return RateLimitItemPerSecond(self.amount, self.seconds)

    def _seconds_left(self, caller: tuple[str, ...]) -> int:
        ends_at, _ = _limiter().get_window_stats(self._item, self.purpose, *caller)
        return max(1, math.ceil(ends_at - time.time()))


def limited_address(request: HttpRequest) -> str | None:
    """The network that limits by address count this request under; None when they do not apply to it.

    They do not apply to programs on this machine unless RATE_LIMIT_LOOPBACK is set.
    """
    if not settings.RATE_LIMIT_LOOPBACK and callers.is_on_this_machine(request):
        return None
    return callers.network_of(callers.address_of(request))


def _limiter() -> FixedWindowRateLimiter:
    return _limiter_of(connection().connection_pool, key("limits"))


@cache
def _limiter_of(pool: redis.ConnectionPool, prefix: str) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix=prefix))
