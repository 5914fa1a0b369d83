"""The engine's whole state as bytes, and back. Equal states give equal bytes, so their hash compares."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from compute_market.matching.engine.book import Book, Order
from compute_market.matching.engine.exchange import Engine

FORMAT = 2
READABLE = {1, 2}
"""In format 1 orders had neither `one_node` nor `expires`: both are 0 then."""
TERMS = 12
"""How many of an order's values its constructor takes."""


def dump(engine: Engine) -> bytes:
    """State as compact JSON: whole numbers only, books and orders by number."""
    orders = engine.orders
    return json.dumps(
        {
            "format": FORMAT,
            "sequence": engine.sequence,
            "number": engine.number,
            "suspended": sorted(engine.suspended),
            "books": [
                [book.product, book.lot, book.tick, book.lowest, book.highest, book.trading]
                for _, book in sorted(engine.books.items())
            ],
            "orders": [_order_row(orders[number]) for number in sorted(orders)],
        },
        separators=(",", ":"),
    ).encode()


def restore(data: bytes) -> Engine:
    """The engine that `dump` was given.

    Raises: ValueError for data that is no snapshot of a known format.
    """
    state: dict[str, Any] = json.loads(data)
    if state.get("format") not in READABLE:
        raise ValueError(f"This is no snapshot of a format in {sorted(READABLE)}.")
    engine = Engine()
    engine.sequence, engine.number = state["sequence"], state["number"]
    engine.suspended = set(state["suspended"])
    for product, lot, tick, lowest, highest, trading in state["books"]:
        book = engine.books[product] = Book(product)
        book.lot, book.tick, book.lowest, book.highest, book.trading = lot, tick, lowest, highest, trading
    orders = [(_order(row), row[-1]) for row in state["orders"]]
    engine.orders = {order.number: order for order, _ in orders}
    for order, is_resting in sorted(orders, key=lambda pair: pair[0].entry):
        window = order.window()
        if is_resting and window is not None:
            engine.books[order.product].side(order.side).join(order, order.side * order.price, window)
    engine.watch_deadlines()
    return engine


def state_hash(engine: Engine) -> str:
    """Sha-256 of the state, hexadecimal."""
    return sha256(dump(engine)).hexdigest()


def _order_row(order: Order) -> list[Any]:
    return [
        order.number, order.account, order.product, order.side, order.price, order.gpus, order.start,
        order.end, order.node, order.post_only, order.self_trade, order.entry, order.one_node,
        order.expires, order.version, order.open, order.steps, int(order.queue is not None),
    ]  # fmt: skip


def _order(row: list[Any]) -> Order:
    *terms, version, open_, steps, _ = row
    order = Order(*terms[:TERMS])
    if terms[TERMS:]:
        order.one_node, order.expires = terms[TERMS:]
    order.version, order.open = version, open_
    order.steps = None if steps is None else tuple((since, sold) for since, sold in steps)
    return order
