"""The trades that an incoming order would make, computed without changing the book.

A sweep is planned first and carried out afterwards. Fill-or-kill and post-only are therefore decided on the
plan, and a refused order leaves nothing to undo (M3, M4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compute_market.matching.engine import profile
from compute_market.matching.engine.commands import SelfTrade

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """The asks or bids that `order`, arriving at `minute`, would trade with: best price first,
    then oldest.
    """
    return plan_buy(book, order) if order.side > 0 else plan_sell(book, order, minute)


def plan_buy(book: Book, order: Order, *, one_node: int | None = None) -> Plan:
    """A buy takes GPUs from every ask that can give some over its whole window.

    If it wants one node (rule M13), from the asks of that node only. `one_node` overrides the order's own.
    """
    account, mode = order.account, order.self_trade
    start, end = order.start, order.end
    wanted = order.open
    meetings: list[tuple[Order, int]] = []
    asks: Iterable[Order] = book.asks.covering(-order.price, start, end)
    node = order.one_node if one_node is None else one_node
    if node:
        asks = best_node(asks, order) if node < 0 else [ask for ask in asks if ask.node == node]
    for ask in asks:
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


class _Share:
    """The part of a buy that one node could fill: its asks in order of matching, the GPUs and their cost.

    `entry` is the position in time of its first ask. A share is `closed` if it fills the whole buy, or has
    met an order of the same account at which the buy stops.
    """

    __slots__ = ("asks", "closed", "cost", "entry", "gpus")

    def __init__(self) -> None:
        self.asks: list[Order] = []
        self.closed = False
        self.gpus = self.cost = self.entry = 0

    def rank(self) -> tuple[int, int, int]:
        """The least is the best: most GPUs, then cheapest, then oldest."""
        return (-self.gpus, self.cost, self.entry)

    def may_beat(self, best: _Share, wanted: int, price: int) -> bool:
        """True if it could still become better than a share that fills all, if further asks cost at least
        `price`.
        """
        at_least = self.cost + (wanted - self.gpus) * price
        return not self.closed and self.gpus > 0 and (at_least, self.entry) < (best.cost, best.entry)


def best_node(asks: Iterable[Order], order: Order) -> list[Order]:
    """Of asks in price-time order, those of the node that a same-node buy trades with.

    It is the node that gives the most GPUs, up to all that are wanted; of several the cheapest, and of those
    the one with the older offer. If no node gives any, the own orders that the buy would meet.

    The walk ends as soon as a node that gives all cannot be beaten: a node whose first ask comes later costs
    more or, at the same price, is younger.
    """
    account, mode, wanted = order.account, order.self_trade, order.open
    start, end = order.start, order.end
    shares: dict[int, _Share] = {}
    own: list[Order] = []
    best: _Share | None = None
    level = 0
    for ask in asks:
        price = ask.price
        if best is not None and price != level:
            if not any(share.may_beat(best, wanted, price) for share in shares.values()):
                break
            level = price
        free = ask.open if ask.steps is None else ask.gpus - profile.peak(ask.steps, start, end)
        if free <= 0:
            continue
        if not shares and free >= wanted and ask.account != account:
            return [ask]  # the cheapest and oldest has them all
        share = shares.get(ask.node)
        if share is None:
            share = shares[ask.node] = _Share()
        if share.closed:
            continue
        share.asks.append(ask)
        if ask.account == account:
            own.append(ask)
            share.closed = mode != OLDEST
            continue
        gpus = min(free, wanted - share.gpus)
        share.entry = share.entry or ask.entry
        share.gpus += gpus
        share.cost += gpus * price
        if share.gpus == wanted:
            share.closed = True
            if best is None or share.rank() < best.rank():
                best, level = share, 0
    if best is None and shares:
        best = min(shares.values(), key=_Share.rank)
    return own if best is None or not best.gpus else best.asks


def plan_sell(book: Book, order: Order, minute: int) -> Plan:
    """A sell gives GPUs to every bid whose window lies inside what it has left, from `minute` on."""
    account, mode = order.account, order.self_trade
    gpus, since, until, node = order.gpus, order.start, order.end, order.node
    steps, left = order.steps, order.open  # `left` counts while only whole windows are sold
    meetings: list[tuple[Order, int]] = []
    for bid in book.bids.within(order.price, max(since, minute), until):
        if bid.one_node > 0 and bid.one_node != node:
            continue
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
