"""What an incoming order would meet on the book, found without touching it.

A sweep is planned first and carried out afterwards. So fill-or-kill and post-only are plain questions
about the plan, and "no side effect" (M3, M4) needs no undoing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compute_market.matching.engine import profile
from compute_market.matching.engine.commands import SelfTrade

if TYPE_CHECKING:
    from compute_market.matching.engine.book import Book, Order

# As in `exchange`: its own name takes twice as long.
make = tuple.__new__
NEWEST = int(SelfTrade.CANCEL_NEWEST)
OLDEST = int(SelfTrade.CANCEL_OLDEST)


class Plan(NamedTuple):
    """`meetings` are `(resting order, GPUs)`; 0 GPUs: it is an own one, and gives way.

    `stopped`: the incoming order met an own one and its rest gives way. `filled`: nothing would be left.
    """

    meetings: list[tuple[Order, int]]
    stopped: bool
    filled: bool


def plan(book: Book, order: Order, minute: int) -> Plan:
    """What `order`, arriving at `minute`, would trade against, best price and then oldest first."""
    return plan_buy(book, order) if order.side > 0 else plan_sell(book, order, minute)


def plan_buy(book: Book, order: Order) -> Plan:
    """A buy takes GPUs from every ask that can give some over its whole window."""
    account, mode = order.account, order.self_trade
    start, end = order.start, order.end
    wanted = order.open
    meetings: list[tuple[Order, int]] = []
    for ask in book.asks.covering(-order.price, start, end):
        steps = ask.steps
        free = ask.open if steps is None else ask.gpus - profile.peak(steps, start, end)
        if free <= 0:
            continue
        if ask.account == account:
            if mode != NEWEST:
                meetings.append((ask, 0))
            if mode != OLDEST:
                return make(Plan, (meetings, True, False))
            continue
        gpus = min(wanted, free)
        meetings.append((ask, gpus))
        wanted -= gpus
        if not wanted:
            return make(Plan, (meetings, False, True))
    return make(Plan, (meetings, False, False))


def plan_sell(book: Book, order: Order, minute: int) -> Plan:
    """A sell gives GPUs to every bid whose window lies inside what it has left, from `minute` on."""
    account, mode = order.account, order.self_trade
    gpus, since, until = order.gpus, order.start, order.end
    steps, left = order.steps, order.open  # `left` counts while nothing but whole windows are sold
    meetings: list[tuple[Order, int]] = []
    for bid in book.bids.within(order.price, max(since, minute), until):
        start, end = bid.start, bid.end
        free = left if steps is None else gpus - profile.peak(steps, start, end)
        if free <= 0:
            continue
        if bid.account == account:
            if mode != NEWEST:
                meetings.append((bid, 0))
            if mode != OLDEST:
                return make(Plan, (meetings, True, False))
            continue
        given = min(bid.open, free)
        meetings.append((bid, given))
        if steps is None and start == since and end == until:
            left -= given
            filled = not left
        else:
            steps = profile.sell(steps or ((since, gpus - left),), start, end, given, until)
            filled = profile.hull(steps, gpus, until) is None
        if filled:
            return make(Plan, (meetings, False, True))
    return make(Plan, (meetings, False, False))
