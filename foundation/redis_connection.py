"""The one Redis of the deployment: counters, rate limits, locks and publish/subscribe."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings


@cache
def connection() -> redis.Redis:
    """A thread-safe client with its own pool. Answers are bytes; short time-outs, so a door can refuse."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2)


def key(*parts: object) -> str:
    """A key in this deployment's own space."""
    return ":".join([settings.REDIS_PREFIX, *map(str, parts)])
