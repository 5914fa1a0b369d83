"""The stored forms of an order repeat the fields of its shapes: ADR 0156 says which.

A stored form is written by the names of its fields and read by them, never unpacked by place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields

import pytest

from compute_market.matching.clearing.account_changes import OrderChange
from compute_market.matching.clearing.order_states import OrderState
from compute_market.matching.engine import book
from compute_market.matching.engine.snapshots import OrderRow
from tests.architecture.sources import modules

LINKS = {"queue", "preceding", "following"}
OTHER_NAMES = {"order": "pk", "product": "product_id"}


def bodies_unpacked(tree: ast.Module) -> Iterator[str]:
    """Assignments that take the body of a logged command apart by place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute | ast.Subscript):
            value = node.value.value if isinstance(node.value, ast.Subscript) else node.value
            is_body = isinstance(value, ast.Attribute) and value.attr == "body"
            if is_body and (isinstance(node.value, ast.Subscript) or isinstance(node.targets[0], ast.Tuple)):
                yield f"{node.lineno}: {ast.unparse(node)}"


class TestStoredForms:
    def test_of_a_snapshot_has_the_fields_of_a_resting_order(self) -> None:
        assert set(OrderRow._fields) == set(book.Order.__slots__) - LINKS | {"is_resting"}

    def test_of_an_account_event_has_fields_of_the_settlement(self) -> None:
        state = {field.name for field in fields(OrderState)}
        assert {OTHER_NAMES.get(name, name) for name in OrderChange._fields} <= state

    def test_of_a_command_is_read_by_names(self) -> None:
        found = [
            f"{path}:{place}"
            for path, tree in modules("compute_market/matching")
            for place in bodies_unpacked(tree)
        ]
        assert found == []

    @pytest.mark.parametrize("text", ["_order, price, gpus, *_rest = asked.body", "price = asked.body[1]"])
    def test_that_is_read_by_place_is_found(self, text: str) -> None:
        assert list(bodies_unpacked(ast.parse(text)))
