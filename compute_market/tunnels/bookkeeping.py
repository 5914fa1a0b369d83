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


class Books:
    """One process's line to Redis."""

    def __init__(self, works: Works, nodes: Nodes, *, url: str, prefix: str) -> None:
        self.works, self.nodes, self.prefix = works, nodes, prefix
        self._redis = asyncio_client(url, connect_seconds=2)

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
            await self.tell()
            await asyncio.sleep(FLUSH_SECONDS)
            kept = await self.flush(kept)

    async def tell(self) -> None:
        """Tell this process's numbers, for operators."""
        with contextlib.suppress(RedisError):
            facts = self.works.facts() | {"nodes": len(self.nodes.by_id), "wakeups": self.nodes.woken}
            await self._redis.hset(
                f"{self.prefix}:{presence.PROCESSES}", presence.own_field("tunnels"), presence.told(facts)
            )

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
            log.warning("tunnel_bytes_delayed error=%s", error)
            return counted
        return {}

    async def close(self) -> None:
        with contextlib.suppress(RedisError):
            await self._redis.hdel(f"{self.prefix}:{presence.PROCESSES}", presence.own_field("tunnels"))
        await self._redis.aclose()
