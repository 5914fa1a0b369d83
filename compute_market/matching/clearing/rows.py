"""The rows that clearing writes: their fields are the columns that are not the same for a whole batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from foundation.rows import maker


class TradeRow(NamedTuple):
    """A trade; `sequence` is the number of its event."""

    sequence: int
    product_id: int
    buy_id: int
    sell_id: int
    buyer_id: int
    seller_id: int
    node_id: int
    taker_side: int
    price_micros_per_gpu_hour: int
    gpus: int
    start: datetime
    end: datetime
    notional_micros: int
    buy_fee_micros: int
    sell_fee_micros: int


make_trade_row = maker(TradeRow)


class OutcomeRow(NamedTuple):
    """The outcome of a command that is no new order; `reason` is empty if it was carried out."""

    sequence: int
    accepted: bool
    reason: str


class OutboxRow(NamedTuple):
    """News of a topic."""

    topic: str
    payload: dict[str, Any]


class LevelKeyRow(NamedTuple):
    """The key of a level."""

    product_id: int
    side: int
    price_micros_per_gpu_hour: int
    start: datetime
    end: datetime


class LevelRow(NamedTuple):
    """A level: GPUs and orders that rest at one price over one window."""

    product_id: int
    side: int
    price_micros_per_gpu_hour: int
    start: datetime
    end: datetime
    gpus: int
    orders: int


make_level_key_row, make_level_row = maker(LevelKeyRow), maker(LevelRow)
