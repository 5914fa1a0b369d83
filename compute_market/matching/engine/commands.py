"""The commands of the engine. Every field is a whole number; times are minutes since the epoch.

Commands are tuples, because a shard reads millions of them back from its log. `sequence` is the
command's place in the shard's log: the engine takes 1, 2, 3… and nothing else. A command that is not in the
log yet has the sequence `UNLOGGED`.

The enums of orders are defined here; the models and the doors use them.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple


class Side(IntEnum):
    """The sign of an order: what it adds to the trader's stock of GPUs."""

    BUY = 1
    SELL = -1


class TimeInForce(IntEnum):
    """The time in force: how long an order may rest (rule M3)."""

    GTC = 0
    GTD = 1
    IOC = 2
    FOK = 3


class SelfTrade(IntEnum):
    """Self-trade prevention: which order is cancelled when an order meets one of its own account
    (rule M5).
    """

    CANCEL_NEWEST = 0
    CANCEL_OLDEST = 1
    CANCEL_BOTH = 2


UNLOGGED = 0

ANY_ONE = -1
"""`New.one_node` of a buy that takes all its GPUs from one node, whichever that is (rule M13)."""


class Trading(IntEnum):
    """The state of a product: if it accepts orders."""

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
    clock: int = 0


class New(NamedTuple):
    """A new order: `gpus` of `product` over [start, end) at `price` micro-credits per GPU-hour or better.

    `node` is the machine that a sell offers (0 for a buy). `one_node` of a buy: 0 if its fills may come from
    several nodes, `ANY_ONE` if all must come from one, else the number of the one node it may trade with.
    `expires` is the moment from which the order no longer trades, 0 if its window alone ends it; `minute` and
    `clock` are when it was accepted. `expires` and `clock` are milliseconds since the epoch. The defaults are
    what commands mean that were logged before these fields existed.
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
    one_node: int = 0
    expires: int = 0
    clock: int = 0


class Amend(NamedTuple):
    """Give an open order a new price and a new total of GPUs (rule M8). `version` 0 means any."""

    sequence: int
    order: int
    price: int
    gpus: int
    version: int
    minute: int
    clock: int = 0


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
    """End an order whose time is up, by the database's clock.

    A later command with a `clock` ends it too, before it is carried out itself: whichever comes first.
    """

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
    clock: int = 0


Command = Configure | New | Amend | Cancel | CancelAll | Expire | Suspend | Resume


class Kind(StrEnum):
    """The kinds of commands, by the names that the log has for them."""

    NEW = "new"
    AMEND = "amend"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    EXPIRE = "expire"
    SUSPEND = "suspend"
    RESUME = "resume"
    CONFIGURE = "configure"


TYPES: dict[str, type[Command]] = {
    Kind.NEW: New,
    Kind.AMEND: Amend,
    Kind.CANCEL: Cancel,
    Kind.CANCEL_ALL: CancelAll,
    Kind.EXPIRE: Expire,
    Kind.SUSPEND: Suspend,
    Kind.RESUME: Resume,
    Kind.CONFIGURE: Configure,
}
KINDS: dict[type[Command], str] = {kind: name for name, kind in TYPES.items()}
