"""Celery's transports to Redis: kombu's, except that a closed connection is not a bug."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu.transport import redis

from foundation.redis_addresses import sentinels_of
from foundation.redis_retries import Breaker, sentinel_options

# For all tasks that this process sends: one request may send several, and must not wait for each.
_breaker = Breaker(longest_seconds=7)


class _Closable:
    """A channel of kombu's; used after its connection was closed, it says so by an error of connections."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        """Raise ConnectionError where kombu raised AttributeError.

        A worker uses such channels when it has lost Redis: to put back what it fetched, to acknowledge a task
        that ended meanwhile. It expects errors of connections there. Any other ended the worker.
        """
        transport: Any = self.connection  # type: ignore[attr-defined]  # kombu has no stubs of it
        if transport is None or transport.client is None:
            raise ConnectionError("The connection of this channel is closed.")
        options: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return options | {"retry": _breaker}


class Channel(_Closable, redis.Channel):
    """A channel to one Redis."""


class SentinelChannel(_Closable, redis.SentinelChannel):
    """A channel to the primary that Sentinels name."""

    @property
    def sentinel_kwargs(self) -> dict[str, Any]:
        """The options of the hub's own clients; kombu's would try each absent Sentinel eleven times."""
        sentinels = sentinels_of(settings.REDIS_URL)
        return sentinel_options(sentinels) if sentinels else {}


class Transport(redis.Transport):
    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    Channel = SentinelChannel
