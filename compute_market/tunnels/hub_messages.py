"""Messages between the tunnels and the rest of the hub, by Redis.

The tunnels receive ended leases and nodes to wake, and publish counts of bytes. A lost message does little
harm: every connection ends with its ticket, the agent ends its work by itself, and it also polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

from redis.exceptions import RedisError

from compute_market.tunnels import presence
from compute_market.tunnels.nodes import Nodes
from compute_market.tunnels.works import Works
from foundation.redis_clients import asyncio_client

LEASES_OVER = "market-leases-over"
NODES_WOKEN = "market-nodes-woken"
TRAFFIC = "market-traffic"
FLUSH_SECONDS = presence.TELL_SECONDS
log = logging.getLogger(__name__)


class HubMessages:
    """The messages that one process of the tunnels sends and receives."""

    def __init__(self, works: Works, nodes: Nodes, *, url: str, prefix: str) -> None:
        self.works, self.nodes, self.prefix = works, nodes, prefix
        self._redis = asyncio_client(url, connect_seconds=2)

    async def listen(self) -> None:
        """Close the connections of ended leases and wake nodes as the hub says, until cancelled."""
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

    async def publish(self) -> None:
        """Publish status and counts of bytes every few seconds; counts that Redis did not take, again."""
        kept: dict[int, tuple[int, int, int]] = {}
        while True:
            await self.publish_status()
            await asyncio.sleep(FLUSH_SECONDS)
            kept = await self.flush(kept)

    async def publish_status(self) -> None:
        """Publish this process's numbers for operators; nothing if Redis is away."""
        with contextlib.suppress(RedisError):
            facts = self.works.facts() | {"nodes": len(self.nodes.by_id), "wakeups": self.nodes.woken}
            await self._redis.hset(
                f"{self.prefix}:{presence.PROCESSES}", presence.own_field("tunnels"), presence.told(facts)
            )

    async def flush(self, kept: dict[int, tuple[int, int, int]]) -> dict[int, tuple[int, int, int]]:
        """Send the new and the kept counts of bytes. Returns those that Redis did not take."""
        counted = self.works.counted()
        for lease, counts in kept.items():
            before = counted.get(lease, (0, 0, 0))
            counted[lease] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
        if not counted:
            return {}
        try:
            await self._redis.rpush(f"{self.prefix}:{TRAFFIC}", json.dumps(counted))
        except RedisError as error:
            log.warning("tunnel_bytes_delayed error=%s", error)
            return counted
        return {}

    async def close(self) -> None:
        with contextlib.suppress(RedisError):
            await self._redis.hdel(f"{self.prefix}:{presence.PROCESSES}", presence.own_field("tunnels"))
        await self._redis.aclose()
