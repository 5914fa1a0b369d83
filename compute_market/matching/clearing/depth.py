"""The depth of the books: what rests at each price over each window, kept in step with an engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from compute_market import quantities
from compute_market.matching import engine, models
from compute_market.matching.clearing.rows import LevelKeyRow, LevelRow, make_level_key_row, make_level_row
from compute_market.matching.engine.book import Order
from foundation.database import bulk_sql


class LevelKey(NamedTuple):
    """One side of a product's book at one price over one window, in minutes since the epoch."""

    product: int
    side: int
    price: int
    start: int
    end: int


class Level(NamedTuple):
    """The number of GPUs, and of orders, at one level."""

    gpus: int
    orders: int


NOTHING = Level(0, 0)


class Depth:
    """Open GPUs by product, side, price and window, kept in step with an engine."""

    def __init__(self, matcher: engine.Engine) -> None:
        self._matcher = matcher
        self._shown: dict[int, list[tuple[LevelKey, int]]] = {}
        self.levels: dict[LevelKey, Level] = {}
        self.refresh(matcher.orders)

    def refresh(self, numbers: Iterable[int]) -> set[LevelKey]:
        """Bring the levels of these orders up to date; gives the levels that changed."""
        changed: set[LevelKey] = set()
        orders, shown, levels = self._matcher.orders, self._shown, self.levels
        for number in numbers:
            for key, gpus in shown.pop(number, ()):
                before = levels[key]
                levels[key] = Level(before.gpus - gpus, before.orders - 1)
                changed.add(key)
            order = orders.get(number)
            if order is None or order.queue is None:
                continue
            rows = shown[number] = _levels_of(order)
            for key, gpus in rows:
                before = levels.get(key, NOTHING)
                levels[key] = Level(before.gpus + gpus, before.orders + 1)
                changed.add(key)
        return changed

    def forget_empty(self, keys: Iterable[LevelKey]) -> None:
        """Drop the levels that nothing is left of."""
        for key in keys:
            if key in self.levels and not self.levels[key].orders:
                del self.levels[key]


def write(changed: Sequence[tuple[LevelKey, Level]]) -> None:
    """Write levels as they are now, and delete those with nothing left."""
    gone = [_key_row(key) for key, level in changed if not level.orders]
    there = [_row(key, level) for key, level in changed if level.orders]
    bulk_sql.delete_rows(models.Level, gone)
    bulk_sql.add_rows(models.Level, there, once=LevelKeyRow._fields)


def _key_row(key: LevelKey) -> LevelKeyRow:
    return make_level_key_row(
        product_id=key.product,
        side=key.side,
        price_micros_per_gpu_hour=key.price,
        start=quantities.from_minutes(key.start),
        end=quantities.from_minutes(key.end),
    )


def _row(key: LevelKey, level: Level) -> LevelRow:
    return make_level_row(
        product_id=key.product,
        side=key.side,
        price_micros_per_gpu_hour=key.price,
        start=quantities.from_minutes(key.start),
        end=quantities.from_minutes(key.end),
        gpus=level.gpus,
        orders=level.orders,
    )


def _levels_of(order: Order) -> list[tuple[LevelKey, int]]:
    """The levels at which an order rests, with its GPUs there."""
    product, side, price = order.product, order.side, order.price
    if order.steps is None:
        return [(LevelKey(product, side, price, order.start, order.end), order.open)]
    return [(LevelKey(product, side, price, start, end), gpus) for start, end, gpus in order.layers()]
