"""The wake-up connections of agents: one for each node, on which the hub says that there is something new.

Only lines pass: `WAKE` (ask now for the assignments) and `PING`. A lost line costs little, because an agent
also asks by itself every half minute.
"""

from __future__ import annotations

import asyncio
import random

from compute_market.tunnels import heads
from compute_market.tunnels.ends import End

WAKE_PROTOCOL = "bazaar-wake/1"
NODE_PING_SECONDS = 30.0
# A connection is closed after about this time. The agent opens another by a signed request, so a key that
# was withdrawn stops working here, too.
CONNECTION_SECONDS = 3600.0


class Nodes:
    """Nodes by their number, and the connection of each."""

    def __init__(self) -> None:
        self.by_id: dict[int, End] = {}
        self.woken = 0

    async def keep(self, node: int, end: End) -> None:
        """Hold a node's connection until either side closes it. A newer one takes the older one's place."""
        answer = [("connection", "upgrade"), ("upgrade", WAKE_PROTOCOL)]
        end.write(heads.render("HTTP/1.1 101 Switching Protocols", answer))
        if (before := self.by_id.pop(node, None)) is not None:
            before.abort()
        self.by_id[node] = end
        # Not all at the same time, so that agents which connected together do not come back together.
        seconds = CONNECTION_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        try:
            await asyncio.wait([end.over, end.closed], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self.by_id.get(node) is end:
                del self.by_id[node]
            end.abort()

    def wake(self, node: int) -> None:
        """Tell a node's agent to ask what should run. Nothing happens where it has no connection."""
        if (end := self.by_id.get(node)) is not None:
            self.woken += 1
            self._say(end, b"WAKE\n")

    def ping(self) -> None:
        """A line on every connection, so that neither side nor what is between takes it for dead."""
        for end in [*self.by_id.values()]:
            self._say(end, b"PING\n")

    def close_all(self) -> None:
        for end in [*self.by_id.values()]:
            end.abort()

    def _say(self, end: End, line: bytes) -> None:
        # An agent that reads nothing is cut off before its lines fill memory.
        if end.has_room:
            end.write(line)
        else:
            end.abort()
