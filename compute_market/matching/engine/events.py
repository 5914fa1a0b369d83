"""The events of the engine. They are numbered per shard, without gap or repeat (rule M12)."""

from __future__ import annotations

from typing import NamedTuple


class Reason:
    """The reasons for refusals and ends; traders see these words."""

    UNKNOWN_PRODUCT = "unknown_product"
    PRODUCT_HALTED = "product_halted"
    PRODUCT_CLOSED = "product_closed"
    OFF_TICK = "off_tick"
    OFF_LOT = "off_lot"
    OUTSIDE_PRICE_BAND = "outside_price_band"
    NODE_SUSPENDED = "node_suspended"
    WINDOW_PASSED = "window_passed"
    WOULD_TRADE = "would_trade"
    NOT_FILLABLE = "not_fillable"
    NOT_ON_ONE_NODE = "not_on_one_node"
    WINDOW_BEGUN = "window_begun"
    NOT_OPEN = "not_open"
    VERSION_CHANGED = "version_changed"
    NOTHING_LEFT = "nothing_left"
    REQUESTED = "requested"
    IMMEDIATE = "immediate_or_cancel"
    SELF_TRADE = "self_trade"
    EXPIRED = "expired"


class Configured(NamedTuple):
    """A product's terms are in force."""

    number: int
    sequence: int
    product: int
    trading: int


class Accepted(NamedTuple):
    """A new order entered the market; what became of it follows."""

    number: int
    sequence: int
    order: int


class Rejected(NamedTuple):
    """A command changed nothing. `order` is 0 if it named none."""

    number: int
    sequence: int
    order: int
    reason: str


class Trade(NamedTuple):
    """`gpus` over [start, end) at `price`, the resting order's. `taker_side` came in and met the other."""

    number: int
    sequence: int
    product: int
    price: int
    gpus: int
    start: int
    end: int
    buy: int
    sell: int
    taker_side: int
    buyer: int
    seller: int
    node: int


class Cancelled(NamedTuple):
    """The rest of an order, `gpu_minutes` of it, was cancelled."""

    number: int
    sequence: int
    order: int
    reason: str
    gpu_minutes: int


class Amended(NamedTuple):
    """An order's terms changed; `gpu_minutes` is what is open now, before any trade that follows."""

    number: int
    sequence: int
    order: int
    price: int
    gpus: int
    gpu_minutes: int


class Done(NamedTuple):
    """A command about many orders ran to its end; `touched` orders were concerned."""

    number: int
    sequence: int
    touched: int


Event = Configured | Accepted | Rejected | Trade | Cancelled | Amended | Done
