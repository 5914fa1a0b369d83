"""Celery's transport to Redis: kombu's, except that a closed connection is not a bug."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel of kombu's; used after its connection was closed, it says so by an error of connections."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        """Raise ConnectionError where kombu raised AttributeError.

        A worker uses such channels when it has lost Redis: to put back what it fetched, to acknowledge a task
        that ended meanwhile. It expects errors of connections there. Any other ended the worker.
        """
        transport: Any = self.connection
        if transport is None or transport.client is None:
            raise ConnectionError("The connection of this channel is closed.")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # kombu has no stubs of it


class Transport(redis.Transport):
    Channel = Channel
