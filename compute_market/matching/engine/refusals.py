"""The reasons for which the engine refuses an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compute_market.matching.engine.commands import TimeInForce, Trading
from compute_market.matching.engine.events import Reason
from compute_market.matching.engine.sweep import plan_buy

if TYPE_CHECKING:
    from compute_market.matching.engine.book import Book, Order
    from compute_market.matching.engine.sweep import Plan

HALTED, FOK = int(Trading.HALTED), int(TimeInForce.FOK)


def of_plan(met: Plan, order: Order, book: Book, force: int) -> str:
    """The reason to refuse a new order for what it would meet; empty if there is none."""
    if order.post_only and (met.meetings or met.stopped):
        return Reason.WOULD_TRADE
    return _unfillable(book, order) if force == FOK and not met.filled else ""


def _unfillable(book: Book, order: Order) -> str:
    """The reason that a fill-or-kill order cannot fill whole: too few GPUs, or too few on one node."""
    if order.one_node:
        elsewhere_too = plan_buy(book, order, one_node=0)
        if elsewhere_too.filled:
            return Reason.NOT_ON_ONE_NODE
    return Reason.NOT_FILLABLE


def of_terms(book: Book | None, price: int, gpus: int) -> str:
    """The reason that a book refuses these terms; the caller has found that it does."""
    if book is None:
        return Reason.UNKNOWN_PRODUCT
    if book.trading:
        return Reason.PRODUCT_HALTED if book.trading == HALTED else Reason.PRODUCT_CLOSED
    if not book.lowest <= price <= book.highest:
        return Reason.OUTSIDE_PRICE_BAND
    if price % book.tick:
        return Reason.OFF_TICK
    return Reason.OFF_LOT if gpus % book.lot else Reason.NODE_SUSPENDED
