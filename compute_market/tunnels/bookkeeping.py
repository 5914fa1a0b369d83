"""What passes between the tunnels and the rest of the hub by Redis.

The tunnels hear of leases that are over and of nodes that should be woken, and tell the counts of bytes. A
lost message costs little: a ticket bounds every connection, the agent ends what it runs by itself, and it
also asks without being woken.
"""

from __future__ import annotations

import asyncio
import json
import logging

import redis.asyncio as redis
from redis.exceptions import RedisError

from compute_market.tunnels.nodes import Nodes
from compute_market.tunnels.works import Works

LEASES_OVER = "market-leases-over"
NODES_WOKEN = "market-nodes-woken"
TRAFFIC = "market-traffic"
FLUSH_SECONDS = 5.0
log = logging.getLogger(__name__)


class Books:
    """One process's line to Redis."""

    def __init__(self, works: Works, nodes: Nodes, *, url: str, prefix: str) -> None:
        self.works, self.nodes, self.prefix = works, nodes, prefix
        self._redis = redis.Redis.from_url(url, socket_connect_timeout=2)

    async def listen(self) -> None:
        """Hear of leases that are over and of nodes with something to do, until cancelled."""
        channels = {
            f"{self.prefix}:{LEASES_OVER}": self.works.close_lease,
            f"{self.prefix}:{NODES_WOKEN}": self.nodes.wake,
        }
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as messages:
                    await messages.subscribe(*channels)
                    while True:
                        message = await messages.get_message(timeout=30.0)
                        if message is not None:
                            channels[message["channel"].decode()](int(message["data"]))
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
