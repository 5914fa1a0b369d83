"""The matching engines that a worker keeps in memory, one for each shard, with the depth that pages show.

An engine is a copy of what the command log says. If another worker has drained the shard meanwhile, it
catches up by replaying the log. If the commit of a batch fails, the engine is thrown away.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from compute_market.matching import commandlog, engine
from compute_market.matching.engine.book import Order
from compute_market.matching.engine.commands import Resume, Suspend
from compute_market.matching.engine.events import Event, Trade
from compute_market.matching.models import Snapshot

REPLAY_BATCH = 5000

LevelKey = tuple[int, int, int, int, int]  # product, side, price, start, end


class Diverged(Exception):
    """A replay of the log gave other events than are recorded. The shard must not be drained then."""


class Depth:
    """Open GPUs by product, side, price and window, kept in step with an engine."""

    def __init__(self, matcher: engine.Engine) -> None:
        self._matcher = matcher
        self._shown: dict[int, list[tuple[LevelKey, int]]] = {}
        self.levels: dict[LevelKey, tuple[int, int]] = {}
        self.refresh(matcher.orders)

    def refresh(self, numbers: Iterable[int]) -> set[LevelKey]:
        """Bring the levels of these orders up to date; gives the levels that changed."""
        changed: set[LevelKey] = set()
        orders, shown, levels = self._matcher.orders, self._shown, self.levels
        for number in numbers:
            for key, gpus in shown.pop(number, ()):
                before, count = levels[key]
                levels[key] = (before - gpus, count - 1)
                changed.add(key)
            order = orders.get(number)
            if order is None or order.queue is None:
                continue
            rows = shown[number] = _rows(order)
            for key, gpus in rows:
                before, count = levels.get(key, (0, 0))
                levels[key] = (before + gpus, count + 1)
                changed.add(key)
        return changed

    def forget_empty(self, keys: Iterable[LevelKey]) -> None:
        """Drop the levels that nothing is left of."""
        for key in keys:
            if key in self.levels and not self.levels[key][1]:
                del self.levels[key]


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


def _rows(order: Order) -> list[tuple[LevelKey, int]]:
    product, side, price = order.product, order.side, order.price
    if order.steps is None:
        return [((product, side, price, order.start, order.end), order.open)]
    return [((product, side, price, start, end), gpus) for start, end, gpus in order.layers()]
