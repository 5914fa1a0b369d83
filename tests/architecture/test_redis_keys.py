"""Everything that is kept in Redis is listed for operators, with what its loss means."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import HOUSES, last_name, modules

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "several-nodes.md"


def written(tree: ast.Module) -> Iterator[str]:
    """First parts of keys, where they are written as texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "key" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def constants(tree: ast.Module) -> Iterator[str]:
    """Texts of constants that are names of channels or lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and re.fullmatch(r"market-[a-z-]+", value):
                yield value


def listed() -> set[str]:
    table = PAGE.read_text().partition("| key |")[2].partition("## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name.rstrip(":") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


class TestKeys:
    def test_are_all_listed(self) -> None:
        trees = [tree for _, tree in modules(*HOUSES)]
        kept = {name for tree in trees for name in written(tree)}
        channels = {name for tree in trees for name in constants(tree)}
        assert kept | channels | {"celery"} == listed()
