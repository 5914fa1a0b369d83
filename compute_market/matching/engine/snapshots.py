"""The engine's whole state as bytes, and back. Equal states give equal bytes, so their hash compares."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from compute_market.matching.engine import deadlines
from compute_market.matching.engine.book import Book, Order
from compute_market.matching.engine.exchange import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 2
READABLE = {1, 2}
"""In format 1 orders had neither `one_node` nor `expires`: both are 0 then."""
MISSING_IN_FORMAT_1 = 12
"""Where `one_node` and `expires` are missing in a row of format 1."""


class OrderRow(NamedTuple):
    """An order in a snapshot: a JSON array, whose places are these fields. A new field needs a new format."""

    number: int
    account: int
    product: int
    side: int
    price: int
    gpus: int
    start: int
    end: int
    node: int
    post_only: int
    self_trade: int
    entry: int
    one_node: int
    expires: int
    version: int
    open: int
    steps: Sequence[Sequence[int]] | None
    is_resting: int


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
            "orders": [_row_of(orders[number]) for number in sorted(orders)],
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
    orders = [(_order(row), row.is_resting) for row in map(_read, state["orders"])]
    engine.orders = {order.number: order for order, _ in orders}
    for order, is_resting in sorted(orders, key=lambda pair: pair[0].entry):
        window = order.window()
        if is_resting and window is not None:
            engine.books[order.product].side(order.side).join(order, order.side * order.price, window)
    engine.deadlines = deadlines.of_orders(engine.orders)
    return engine


def state_hash(engine: Engine) -> str:
    """Sha-256 of the state, hexadecimal."""
    return sha256(dump(engine)).hexdigest()


def _row_of(order: Order) -> OrderRow:
    return OrderRow(
        number=order.number,
        account=order.account,
        product=order.product,
        side=order.side,
        price=order.price,
        gpus=order.gpus,
        start=order.start,
        end=order.end,
        node=order.node,
        post_only=order.post_only,
        self_trade=order.self_trade,
        entry=order.entry,
        one_node=order.one_node,
        expires=order.expires,
        version=order.version,
        open=order.open,
        steps=order.steps,
        is_resting=int(order.queue is not None),
    )


def _read(row: list[Any]) -> OrderRow:
    """A row of either format, by its names."""
    if len(row) < len(OrderRow._fields):
        row[MISSING_IN_FORMAT_1:MISSING_IN_FORMAT_1] = [0, 0]
    return OrderRow(*row)


def _order(row: OrderRow) -> Order:
    order = Order(
        number=row.number,
        account=row.account,
        product=row.product,
        side=row.side,
        price=row.price,
        gpus=row.gpus,
        start=row.start,
        end=row.end,
        node=row.node,
        post_only=row.post_only,
        self_trade=row.self_trade,
        entry=row.entry,
    )
    order.one_node, order.expires = row.one_node, row.expires
    order.version, order.open = row.version, row.open
    order.steps = None if row.steps is None else tuple((since, sold) for since, sold in row.steps)
    return order
