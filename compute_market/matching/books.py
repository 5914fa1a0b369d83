"""The engines a worker keeps in memory, one a shard, and the depth that people see of them.

An engine is only ever a copy: where it stands is told by the log, so one that fell behind catches up by
playing what others drained, and one whose commit failed is thrown away.
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
    """An engine that played the log gave other events than the record says. Nothing may be drained then."""


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


class Books:
    """One shard's engine and its depth."""

    def __init__(self, shard: int, matcher: engine.Engine) -> None:
        self.shard = shard
        self.matcher = matcher
        self.depth = Depth(matcher)

    def apply(self, logged: list[commandlog.Logged]) -> tuple[list[Event], set[LevelKey]]:
        """Carry out commands: what happened, and which levels of the books changed."""
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


_kept: dict[int, Books] = {}


def at(*, shard: int, sequence: int, event_number: int) -> Books:
    """The books of a shard as they were after a command of its log.

    Raises: Diverged.
    """
    books = _kept.pop(shard, None)
    if books is None or books.matcher.sequence > sequence:
        books = _restored(shard, sequence)
    while books.matcher.sequence < sequence:
        missed = commandlog.read(
            shard=shard, after=books.matcher.sequence, limit=REPLAY_BATCH, until=sequence
        )
        if not missed:
            raise Diverged(f"The log of shard {shard} ends before command {sequence}.")
        _, changed = books.apply(missed)
        books.depth.forget_empty(changed)
    if books.matcher.number != event_number:
        raise Diverged(
            f"Shard {shard} at command {sequence}: {books.matcher.number} events, {event_number} on record."
        )
    return books


def keep(books: Books) -> None:
    """Hold the books for the next batch; their state has been committed."""
    _kept[books.shard] = books


def forget_all() -> None:
    """Drop every engine in memory: it comes back from the log."""
    _kept.clear()


def _restored(shard: int, sequence: int) -> Books:
    snapshot = Snapshot.objects.filter(shard=shard, sequence__lte=sequence).order_by("-sequence").first()
    if snapshot is None:
        return Books(shard, engine.Engine())
    return Books(shard, engine.restore(zlib.decompress(bytes(snapshot.state))))


def _rows(order: Order) -> list[tuple[LevelKey, int]]:
    product, side, price = order.product, order.side, order.price
    if order.steps is None:
        return [((product, side, price, order.start, order.end), order.open)]
    return [((product, side, price, start, end), gpus) for start, end, gpus in order.layers()]
