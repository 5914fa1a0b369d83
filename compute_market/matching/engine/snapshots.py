"""The engine's whole state as bytes, and back. Equal states give equal bytes, so their hash compares."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from compute_market.matching.engine.book import Book, Order
from compute_market.matching.engine.exchange import Engine

FORMAT = 1


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

    Raises: ValueError for data that is no snapshot of this format.
    """
    state: dict[str, Any] = json.loads(data)
    if state.get("format") != FORMAT:
        raise ValueError(f"This is no snapshot of format {FORMAT}.")
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
    return engine


def state_hash(engine: Engine) -> str:
    """Sha-256 of the state, hexadecimal."""
    return sha256(dump(engine)).hexdigest()


def _order_row(order: Order) -> list[Any]:
    return [
        order.number, order.account, order.product, order.side, order.price, order.gpus, order.start,
        order.end, order.node, order.post_only, order.self_trade, order.entry, order.version, order.open,
        order.steps, int(order.queue is not None),
    ]  # fmt: skip


def _order(row: list[Any]) -> Order:
    *terms, version, open_, steps, _ = row
    order = Order(*terms)
    order.version, order.open = version, open_
    order.steps = None if steps is None else tuple((since, sold) for since, sold in steps)
    return order
