"""The hub's clients and Celery's follow the Sentinels to the next primary."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection
from pytest_django import Settings

from bazaar.server import processes
from bazaar.settings import derived
from foundation import redis_clients
from foundation.redis_connection import connection, key
from tests.servers import sentinel
from tests.servers.sentinel import RedisGroup
from tests.waiting import until


@pytest.fixture
def group(tmp_path: Path, settings: Settings) -> Iterator[RedisGroup]:
    with sentinel.running(tmp_path) as made:
        settings.REDIS_URL = made.url
        yield made


class TestFailover:
    def test_is_followed_by_every_client(self, group: RedisGroup) -> None:
        connection().set(key("kept"), "before")
        self.broker(group)
        assert connection().wait(1, 60_000) == 1  # the replica has it
        processes.stop(group.processes["redis1"])

        def writes() -> bool:
            with contextlib.suppress(redis.RedisError):
                return bool(connection().set(key("written"), "after"))
            return False

        until(writes, what=group.primary, patience_s=120)
        assert group.primary() == "redis2"
        assert connection().get(key("kept")) == b"before"
        self.broker(group)
        assert asyncio.run(self.from_loop(group)) == b"after"

    @staticmethod
    def broker(group: RedisGroup) -> None:
        """A message goes through Celery's transport."""
        address, options = derived.broker(group.url, "test")
        with Connection(address, transport_options=options) as broker:
            queue = broker.SimpleQueue("queue")
            queue.put("sent")
            assert queue.get(timeout=60).payload == "sent"
            queue.close()

    @staticmethod
    async def from_loop(group: RedisGroup) -> bytes | str | None:
        client = redis_clients.asyncio_client(group.url, connect_seconds=2)
        try:
            return await client.get(key("written"))
        finally:
            await client.aclose()
