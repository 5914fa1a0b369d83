"""Money of the market is computed in one module, `compute_market/quantities.py` (ADR 0156)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.sources import modules

HOME = "compute_market/quantities.py"
MONEY = re.compile(r"price|hourly|notional|paid|cost|micros")
HOURS = re.compile(r"(^|_)hours$")
BASIS_POINTS, MINUTES_PER_HOUR = re.compile(r"bps|basis"), re.compile("minutes_per_hour")


def names_of(*nodes: ast.AST) -> set[str]:
    """The names and attributes in expressions, in lower case."""
    return {
        (child.id if isinstance(child, ast.Name) else child.attr).lower()
        for node in nodes
        for child in ast.walk(node)
        if isinstance(child, ast.Name | ast.Attribute)
    }


def has(pattern: re.Pattern[str], *nodes: ast.AST) -> bool:
    return any(pattern.search(name) for name in names_of(*nodes))


def factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), *factors(node.right)]
    return [node]


def is_sixty(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value == 60) or (
        isinstance(node, ast.Name | ast.Attribute) and has(MINUTES_PER_HOUR, node)
    )


def computes_money(node: ast.AST) -> bool:
    """`amount * bps // 10_000`, `price // 60`, `notional * 60 // minutes`, `hourly * hours`."""
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, ast.FloorDiv):
        is_share = len(factors(node.left)) > 1 and has(BASIS_POINTS, node)
        is_by_the_minute = is_sixty(node.right) or any(map(is_sixty, factors(node.left)))
        return is_share or (is_by_the_minute and has(MONEY, node))
    parts = factors(node)
    others = [part for part in parts if not has(HOURS, part)]
    return 0 < len(others) < len(parts) and has(MONEY, *others)


def places(tree: ast.AST) -> Iterator[str]:
    return (
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and computes_money(node)
    )


def test_money_is_computed_in_one_module() -> None:
    found = [
        f"{path}:{place}"
        for path, tree in modules("compute_market")
        if path != HOME
        for place in places(tree)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("lease.notional_micros * term.fee_bps // BASIS", True),
        ("amount * bps // 10_000", True),
        ("gpus * (price // 60)", True),
        ("gpus * (self.price_micros_per_gpu_hour // quantities.MINUTES_PER_HOUR)", True),
        ("notional * 60 // minutes", True),
        ("minute_price * 60 // gpus", True),
        ("hourly * hours", True),
        ("seconds // 60", False),
        ("hours * HOUR", False),
        ("gpus * hours * MINUTES_PER_HOUR", False),
        ("price // tick * tick", False),
    ],
)
def test_computations_of_money_are_found_and_others_are_not(text: str, is_found: bool) -> None:
    assert any(places(ast.parse(text))) is is_found
