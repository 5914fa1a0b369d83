"""Another Redis for one test: the client of before is put aside, and not closed."""

from __future__ import annotations

from foundation import redis_connection

# A client that nobody holds closes its connections, also those that threads of other tests still read.
_put_aside: list[object] = []


def forget_client() -> None:
    """Let the next use of Redis make a client by the settings of that moment."""
    _put_aside.append(redis_connection.connection())
    redis_connection.connection.cache_clear()
