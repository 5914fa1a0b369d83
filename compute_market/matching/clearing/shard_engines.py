"""The matching engines that a worker keeps in memory, one for each shard, with the depth that pages show.

An engine is a copy of what the command log says. If another worker has drained the shard meanwhile, it
catches up by replaying the log. If the commit of a batch fails, the engine is thrown away.
"""

from __future__ import annotations

import zlib

from compute_market.matching import commandlog, engine
from compute_market.matching.clearing.depth import Depth, LevelKey
from compute_market.matching.engine.commands import Resume, Suspend
from compute_market.matching.engine.events import Event, Trade
from compute_market.matching.models import Snapshot

REPLAY_BATCH = 5000


class Diverged(Exception):
    """A replay of the log gave other events than are recorded. The shard must not be drained then."""


class ShardEngine:
    """One shard's engine and its depth."""

    def __init__(self, shard: int, matcher: engine.Engine) -> None:
        self.shard = shard
        self.matcher = matcher
        self.depth = Depth(matcher)

    def apply(self, logged: list[commandlog.Logged]) -> tuple[list[Event], set[LevelKey]]:
        """Apply commands. Returns the events, and the price levels that changed."""
        events = self.matcher.apply([entry.command for entry in logged])
        touched: dict[int, None] = {}
        for event in events:
            if isinstance(event, Trade):
                touched[event.buy] = touched[event.sell] = None
            elif (order := getattr(event, "order", 0)) != 0:
                touched[order] = None
        for entry in logged:
            if isinstance(entry.command, Suspend | Resume):
                node = entry.command.node
                touched.update((o.number, None) for o in self.matcher.orders.values() if o.node == node)
        return events, self.depth.refresh(touched)


_kept: dict[int, ShardEngine] = {}


def at(*, shard: int, sequence: int, event_number: int) -> ShardEngine:
    """The engine of a shard as it was after a command of its log.

    Raises: Diverged.
    """
    shard_engine = _kept.pop(shard, None)
    if shard_engine is None or shard_engine.matcher.sequence > sequence:
        shard_engine = _restored(shard, sequence)
    while shard_engine.matcher.sequence < sequence:
        missed = commandlog.read(
            shard=shard, after=shard_engine.matcher.sequence, limit=REPLAY_BATCH, until=sequence
        )
        if not missed:
            raise Diverged(f"The log of shard {shard} ends before command {sequence}.")
        _, changed = shard_engine.apply(missed)
        shard_engine.depth.forget_empty(changed)
    if shard_engine.matcher.number != event_number:
        raise Diverged(
            f"Shard {shard} at command {sequence}: {shard_engine.matcher.number} events, not {event_number}."
        )
    return shard_engine


def keep(shard_engine: ShardEngine) -> None:
    """Keep an engine for the next batch. Its state has been committed."""
    _kept[shard_engine.shard] = shard_engine


def forget_all() -> None:
    """Drop every engine in memory: it comes back from the log."""
    _kept.clear()


def _restored(shard: int, sequence: int) -> ShardEngine:
    snapshot = Snapshot.objects.filter(shard=shard, sequence__lte=sequence).order_by("-sequence").first()
    if snapshot is None:
        return ShardEngine(shard, engine.Engine())
    return ShardEngine(shard, engine.restore(zlib.decompress(bytes(snapshot.state))))
