"""The moments at which open orders end, as a heap of `(expires, order)`.

A finished order stays in the heap until its time comes, or until such orders outnumber what is open.
"""

from __future__ import annotations

from heapq import heapify, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compute_market.matching.engine.book import Order

SPARE_DEADLINES = 1000

Heap = list[tuple[int, int]]


def add(heap: Heap, order: Order, orders: Mapping[int, Order]) -> None:
    """Add the deadline of an order, which is one of the open `orders`."""
    if len(heap) > 2 * len(orders) + SPARE_DEADLINES:
        heap[:] = of_orders(orders)
    else:
        heappush(heap, (order.expires, order.number))


def of_orders(orders: Mapping[int, Order]) -> Heap:
    """The heap of all open orders that have a deadline."""
    heap = [(order.expires, order.number) for order in orders.values() if order.expires]
    heapify(heap)
    return heap
