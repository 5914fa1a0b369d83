"""What may be asked of the engine. Every field is a whole number; times are minutes since the epoch.

Commands are tuples, because a shard reads millions of them back from its log. `sequence` is the
command's place in the shard's log: the engine takes 1, 2, 3… and nothing else.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Side(IntEnum):
    """The sign of an order: what it adds to the trader's stock of GPUs."""

    BUY = 1
    SELL = -1


class TimeInForce(IntEnum):
    """How long an order may wait (rule M3). GTD orders are ended by an `Expire` command."""

    GTC = 0
    GTD = 1
    IOC = 2
    FOK = 3


class SelfTrade(IntEnum):
    """What gives way when an order meets one of its own account (rule M5)."""

    CANCEL_NEWEST = 0
    CANCEL_OLDEST = 1
    CANCEL_BOTH = 2


class Trading(IntEnum):
    """Whether a product takes orders."""

    OPEN = 0
    HALTED = 1
    CLOSED = 2


class Configure(NamedTuple):
    """List a product or change its terms: lot, tick and the lowest and highest price it takes.

    Closing a product cancels what rests on its book; halting keeps it.
    """

    sequence: int
    product: int
    lot: int
    tick: int
    lowest: int
    highest: int
    trading: int
    minute: int


class New(NamedTuple):
    """A new order: `gpus` of `product` over [start, end) at `price` micro-credits per GPU-hour or better.

    `node` is the machine that a sell offers (0 for a buy); `minute` is when the order was accepted.
    """

    sequence: int
    order: int
    account: int
    product: int
    side: int
    price: int
    gpus: int
    start: int
    end: int
    node: int
    time_in_force: int
    post_only: int
    self_trade: int
    minute: int


class Amend(NamedTuple):
    """Give an open order a new price and a new total of GPUs (rule M8). `version` 0 means any."""

    sequence: int
    order: int
    price: int
    gpus: int
    version: int
    minute: int


class Cancel(NamedTuple):
    """Cancel what is left of one order."""

    sequence: int
    order: int


class CancelAll(NamedTuple):
    """Cancel every open order of an account; `product` 0 means on all products."""

    sequence: int
    account: int
    product: int


class Expire(NamedTuple):
    """End an order whose time is up, by the database's clock."""

    sequence: int
    order: int


class Suspend(NamedTuple):
    """Take the offers of a node off the books: its agent is silent."""

    sequence: int
    node: int


class Resume(NamedTuple):
    """Bring the offers of a node back, at their old place in the queue."""

    sequence: int
    node: int
    minute: int


Command = Configure | New | Amend | Cancel | CancelAll | Expire | Suspend | Resume
