"""What passes between the tunnels and the rest of the hub by Redis: ends of leases, and counts of bytes.

A lost bell costs little: a ticket bounds every connection, and the agent ends what it runs by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging

import redis.asyncio as redis
from redis.exceptions import RedisError

from compute_market.tunnels.works import Works

CHANNEL = "market-leases-over"
TRAFFIC = "market-traffic"
FLUSH_SECONDS = 5.0
log = logging.getLogger(__name__)


class Books:
    """One process's line to Redis."""

    def __init__(self, works: Works, *, url: str, prefix: str) -> None:
        self.works, self.prefix = works, prefix
        self._redis = redis.Redis.from_url(url, socket_connect_timeout=2)

    async def listen(self) -> None:
        """Hear of leases that are over, until cancelled."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as bells:
                    await bells.subscribe(f"{self.prefix}:{CHANNEL}")
                    while True:
                        message = await bells.get_message(timeout=30.0)
                        if message is not None:
                            self.works.close_lease(int(message["data"]))
            except RedisError:
                await asyncio.sleep(1)

    async def keep(self) -> None:
        """Hand over what was counted, every few seconds; what Redis did not take is kept for the next."""
        kept: dict[int, tuple[int, int, int]] = {}
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            kept = await self.flush(kept)

    async def flush(self, kept: dict[int, tuple[int, int, int]]) -> dict[int, tuple[int, int, int]]:
        """Give away what was counted and what was kept; returns what could not be given."""
        counted = self.works.counted()
        for lease, counts in kept.items():
            before = counted.get(lease, (0, 0, 0))
            counted[lease] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
        if not counted:
            return {}
        try:
            await self._redis.rpush(f"{self.prefix}:{TRAFFIC}", json.dumps(counted))
        except RedisError as error:
            log.warning("bytes are not told yet: %s", error)
            return counted
        return {}

    async def close(self) -> None:
        await self._redis.aclose()
