"""The resting orders of one product: price levels, and within a level one queue a window.

Both sides are kept as *keys*: a bid's key is its price, an ask's the negative of it, so that the best
order always has the highest key and one code serves both. Queues are linked lists through the orders
themselves: joining, leaving and finding the oldest cost the same however long the queue is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from compute_market.matching.engine import profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

by_entry = attrgetter("entry")


class Order:
    """An order the engine keeps. `entry` is its place in time, the sequence that put it in the queue.

    `one_node` and `expires` are as in `commands.New`; the first fill of a buy that wants one node, whichever
    it is, sets `one_node` to that node.

    `open` is the GPUs it can still trade; a sell that has sold parts of its window keeps `steps` instead,
    and `open` then means nothing.
    """

    __slots__ = (
        "account",
        "end",
        "entry",
        "expires",
        "following",
        "gpus",
        "node",
        "number",
        "one_node",
        "open",
        "post_only",
        "preceding",
        "price",
        "product",
        "queue",
        "self_trade",
        "side",
        "start",
        "steps",
        "version",
    )

    def __init__(
        self,
        number: int,
        account: int,
        product: int,
        side: int,
        price: int,
        gpus: int,
        start: int,
        end: int,
        node: int,
        post_only: int,
        self_trade: int,
        entry: int,
    ) -> None:
        self.number = number
        self.account = account
        self.product = product
        self.side = side
        self.price = price
        self.gpus = gpus
        self.open = gpus
        self.start = start
        self.end = end
        self.node = node
        self.post_only = post_only
        self.self_trade = self_trade
        self.entry = entry
        self.one_node = 0
        self.expires = 0
        self.version = 1
        self.steps: profile.Steps | None = None
        self.queue: Queue | None = None
        # Its neighbours there; it has none before it has joined one.
        self.preceding: Order | None
        self.following: Order | None

    def __repr__(self) -> str:
        side = "buy" if self.side > 0 else "sell"
        return f"<Order {self.number} {side} {self.gpus} @{self.price} [{self.start},{self.end})>"

    def available(self, start: int, end: int) -> int:
        """GPUs it can trade over the whole of [start, end)."""
        if start < self.start or end > self.end:
            return 0
        if self.steps is None:
            return self.open
        return max(0, self.gpus - profile.peak(self.steps, start, end))

    def open_minutes(self) -> int:
        """GPU-minutes it has not traded yet."""
        if self.steps is None:
            return self.open * (self.end - self.start)
        return profile.free_minutes(self.steps, self.gpus, self.end)

    def window(self) -> tuple[int, int] | None:
        """The outer bounds of what is left, or None if nothing is."""
        if self.steps is None:
            return (self.start, self.end) if self.open > 0 else None
        return profile.hull(self.steps, self.gpus, self.end)

    def sold_steps(self) -> profile.Steps:
        """The GPUs that it has sold, as a profile."""
        return ((self.start, self.gpus - self.open),) if self.steps is None else self.steps

    def layers(self) -> list[profile.Rectangle]:
        """The rest of the offer, as rectangles whose depths add up."""
        return profile.layers(self.sold_steps(), self.gpus, self.end)

    def take(self, start: int, end: int, gpus: int) -> None:
        """Trade `gpus` over [start, end), which the caller has found available."""
        self.version += 1
        if self.steps is None:
            if self.side > 0 or (start == self.start and end == self.end):
                self.open -= gpus
                return
            self.steps = ((self.start, self.gpus - self.open),)
        self.steps = profile.sell(self.steps, start, end, gpus, self.end)


class Queue:
    """The orders of one price and one window on one side, oldest first."""

    __slots__ = ("first", "key", "last", "side", "window")

    def __init__(self, side: BookSide, key: int, window: tuple[int, int]) -> None:
        self.side = side
        self.key = key
        self.window = window
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.following


class BookSide:
    """All resting bids, or all resting asks, of one product.

    `lengths` counts the queues by the length of their windows: where all are as long as each other, a window
    can only meet its like, and no level has to be searched for others.
    """

    __slots__ = ("keys", "lengths", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, dict[tuple[int, int], Queue]] = {}
        self.lengths: dict[int, int] = {}

    def __iter__(self) -> Iterator[Order]:
        """Every order in the side, in the order in which it would trade."""
        for key in reversed(self.keys):
            yield from merge(*self.levels[key].values(), key=by_entry)

    def join(self, order: Order, key: int, window: tuple[int, int]) -> None:
        """Put an order into its queue: at the end, or further up if it entered the market earlier."""
        level = self.levels.get(key)
        queue = None if level is None else level.get(window)
        if queue is None:
            queue = self._open(key, window)
        order.queue = queue
        ahead, after = queue.last, None
        while ahead is not None and ahead.entry > order.entry:
            ahead, after = ahead.preceding, ahead
        order.preceding, order.following = ahead, after
        if ahead is None:
            queue.first = order
        else:
            ahead.following = order
        if after is None:
            queue.last = order
        else:
            after.preceding = order

    def leave(self, order: Order) -> None:
        """Take an order out of its queue, and the queue away if it is the last one."""
        queue = order.queue
        if queue is None:
            return
        before, after = order.preceding, order.following
        if before is None:
            queue.first = after
        else:
            before.following = after
        if after is None:
            queue.last = before
            if before is None:
                self._close(queue)
        else:
            after.preceding = before
        order.queue = order.preceding = order.following = None

    def _open(self, key: int, window: tuple[int, int]) -> Queue:
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = {}
            insort(self.keys, key)
        length = window[1] - window[0]
        self.lengths[length] = self.lengths.get(length, 0) + 1
        queue = level[window] = Queue(self, key, window)
        return queue

    def _close(self, queue: Queue) -> None:
        length = queue.window[1] - queue.window[0]
        if self.lengths[length] == 1:
            del self.lengths[length]
        else:
            self.lengths[length] -= 1
        level = self.levels[queue.key]
        del level[queue.window]
        if not level:
            del self.levels[queue.key]
            keys = self.keys
            if keys[-1] == queue.key:
                keys.pop()
            else:
                del keys[bisect_left(keys, queue.key)]

    def covering(self, lowest_key: int, start: int, end: int) -> Iterator[Order]:
        """Orders whose window reaches over [start, end), best first, down to a key."""
        if max(self.lengths, default=0) <= end - start:
            return self._alike(lowest_key, (start, end))
        return _in_turn(
            [queue for (since, until), queue in level.items() if since <= start and end <= until]
            for level in self._levels(lowest_key)
        )

    def within(self, lowest_key: int, start: int, end: int) -> Iterator[Order]:
        """Orders whose window lies inside [start, end), best first, down to a key."""
        if min(self.lengths, default=0) >= end - start:
            return self._alike(lowest_key, (start, end))
        return _in_turn(
            [queue for (since, until), queue in level.items() if start <= since and until <= end]
            for level in self._levels(lowest_key)
        )

    def _alike(self, lowest_key: int, window: tuple[int, int]) -> Iterator[Order]:
        """Orders of this very window, best first, down to a key."""
        levels = self.levels
        for key in reversed(self.keys):
            if key < lowest_key:
                return
            queue = levels[key].get(window)
            if queue is not None:
                order = queue.first
                while order is not None:
                    yield order
                    order = order.following

    def _levels(self, lowest_key: int) -> Iterator[dict[tuple[int, int], Queue]]:
        """Levels, best first, down to a key."""
        for key in reversed(self.keys):
            if key < lowest_key:
                return
            yield self.levels[key]


def _in_turn(levels: Iterable[list[Queue]]) -> Iterator[Order]:
    """The orders of each level's queues: a level after the other, the oldest first in each."""
    for queues in levels:
        yield from queues[0] if len(queues) == 1 else merge(*queues, key=by_entry)


class Book:
    """One product: its terms and its two sides."""

    __slots__ = ("asks", "bids", "highest", "lot", "lowest", "product", "tick", "trading")

    def __init__(self, product: int) -> None:
        self.product = product
        self.bids = BookSide()
        self.asks = BookSide()
        self.lot = self.tick = 1
        self.lowest = 1
        self.highest = 0
        self.trading = 0

    def side(self, side: int) -> BookSide:
        """The resting orders of one side."""
        return self.bids if side > 0 else self.asks
