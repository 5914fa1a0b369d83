"""The product's own modules as syntax trees, for tests that hold a rule over all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("foundation", "hub", "compute_market", "bazaar")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """(path below the root, syntax tree) of each module in packages such as `hub/api`, but for migrations."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), tree_of(path)


def last_name(node: ast.expr) -> str:
    """`Redis` of `redis.asyncio.Redis` and of `Redis`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
