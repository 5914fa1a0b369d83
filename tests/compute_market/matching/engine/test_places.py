"""Values that the engine gives or takes by place stand at the places of their fields.

The engine takes commands apart and makes orders and events by place: by name, each would cost a third more.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from compute_market.matching.engine import book, commands, events, exchange

# The name of a field in the code of the engine, if the two differ.
SAID = {
    "number": {"self.number"},  # of an event; an order has its own
    "order": {"number", "order.number"},
    "time_in_force": {"force"},
    "entry": {"sequence"},
    "price": {"price", "maker.price", "order.price"},
    "gpus": {"gpus", "order.gpus"},
    "buy": {"buy.number"},
    "sell": {"sell.number"},
    "buyer": {"buy.account"},
    "seller": {"sell.account"},
    "node": {"node", "sell.node"},
    "gpu_minutes": {"left", "order.open_minutes()"},
    "touched": {"len(offers)", "len(orders)", "count"},
}
ORDER = tuple(inspect.signature(book.Order).parameters)


def misplaced(fields: tuple[str, ...], values: list[ast.expr]) -> list[str]:
    """The values that do not stand at the place of a field they may be, and a count that is not right."""
    found = [
        f"{ast.unparse(value)} at the place of {field}"
        for field, value in zip(fields, values, strict=False)
        if ast.unparse(value) not in SAID.get(field, {field})
        and not (field == "reason" and ast.unparse(value).startswith("Reason."))
    ]
    return found if len(fields) == len(values) else [*found, f"{len(values)} values for {fields}"]


def taken_apart(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """The commands whose fields are taken by place: the type's name, and what the values are called."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and ast.unparse(node.value) == "command":
                    (argument,) = (each for each in function.args.args if each.arg == "command")
                    assert argument.annotation is not None
                    assert isinstance(node.targets[0], ast.Tuple)
                    yield ast.unparse(argument.annotation), node.targets[0].elts


def made(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """The events and orders that are made by place: the type's name, and the values."""
    assigned = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name == "make":
            kind, values = node.args
            if isinstance(values, ast.Name):
                values = assigned[values.id]
            assert isinstance(values, ast.Tuple)
            yield ast.unparse(kind), values.elts
        elif name == "Order" or (name.startswith("e.") and name[2].isupper()):
            yield name, node.args


def fields_of(name: str) -> tuple[str, ...]:
    if name == "Order":
        return ("order", *ORDER[1:])  # the command's `order` is the order's `number`
    kind: Any = getattr(events if name.startswith("e.") else commands, name[2:])
    return tuple(kind._fields)


class TestPlaces:
    def test_are_those_of_the_fields(self) -> None:
        tree = ast.parse(inspect.getsource(exchange))
        taken, given = list(taken_apart(tree)), list(made(tree))
        names = {name for name, _ in taken}
        assert {"c.New", "c.Amend", "c.Configure", "c.Resume"} <= names
        assert {name for name, _ in given} == {
            "Order",
            *(f"e.{kind.__name__}" for kind in events.Event.__args__),
        }
        assert [
            f"{name}: {fault}"
            for name, values in (*taken, *given)
            for each in name.split(" | ")
            for fault in misplaced(fields_of(each), values)
        ] == []

    @pytest.mark.parametrize(
        "text",
        [
            "make(e.Accepted, (self.number, number, sequence))",
            "make(e.Rejected, (self.number, sequence, number))",
            "make(e.Trade, (self.number, sequence, product, maker.price, gpus, end, start))",
            "Order(number, account, side, product)",
        ],
    )
    def test_that_are_others_are_found(self, text: str) -> None:
        [(name, values)] = made(ast.parse(text))
        assert misplaced(fields_of(name), values)
