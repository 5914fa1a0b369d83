"""The product's own modules as syntax trees, for tests that hold a rule over all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
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


def full_name(node: ast.expr, names: Mapping[str, str]) -> str:
    """`time.sleep` of `x.sleep` after `import time as x`; empty for what is no chain of names."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            before = full_name(value, names)
            return f"{before}.{attribute}" if before else ""
        case _:
            return ""


def names_in(tree: ast.AST) -> dict[str, str]:
    """The full name of each name that a module imports, or assigns from a name that it imports."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                names[each.asname or first] = each.name if each.asname else first
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                names[each.asname or each.name] = f"{node.module or ''}.{each.name}".lstrip(".")
    imported = frozenset(names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            full = full_name(node.value, names)
            if full and node.targets[0].id not in imported and first_name(node.value) in imported:
                names[node.targets[0].id] = full
    return names


def first_name(node: ast.expr) -> str:
    """`redis` of `redis.asyncio.Redis`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
