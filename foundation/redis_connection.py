"""The Redis of the deployment: the two clients of a process, and its part of the keys.

The clients have a pool each, because a pool has one time-out for all of its connections.
"""

from __future__ import annotations

import redis
from django.conf import settings

from foundation.redis_clients import client


def connection() -> redis.Redis:
    """The client for what needs an answer: counters, limits, locks, the cache, subscriptions.

    Answers are bytes. A command may take five seconds, and then a door can still refuse.
    """
    return client(settings.REDIS_URL, answer_seconds=5, connect_seconds=2)


def hasty_connection() -> redis.Redis:
    """The client for what is better given up than waited for: wake-ups after a commit, and probes.

    A periodic task makes up for a lost wake-up, while its sender is a request that is otherwise done. A probe
    must answer before the program that asks for it gives up.
    """
    return client(settings.REDIS_URL, answer_seconds=2, connect_seconds=1)


def key(*parts: object) -> str:
    """A key in this deployment's own space."""
    return ":".join([settings.REDIS_PREFIX, *map(str, parts)])
