"""The bazaar's own variables are read in one way, so a bad value gives one kind of error."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import HOUSES, modules

# These run where the requirements of the server are not installed, or before they are looked for.
WITHOUT_REQUIREMENTS = (
    "bazaar/paths.py",
    "bazaar/logs.py",
    "compute_market/runners/",
)


def is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def variables_read(tree: ast.Module) -> Iterator[str]:
    """Names in `os.environ[name]`, `os.environ.get(name)`, `os.getenv(name)`; "" for what is no literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_environment(node.value) and isinstance(node.ctx, ast.Load):
            yield named(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func
            if called.attr == "getenv" or (called.attr == "get" and is_environment(called.value)):
                yield named(node.args[0])


def named(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_ours(name: str) -> bool:
    return name.startswith("BAZAAR_") or name in {"", "REDIS_URL", "DATABASE_URL"}


class TestVariables:
    def test_are_read_by_one_module(self) -> None:
        found = {
            f"{path}: {name or 'computed'}"
            for path, tree in modules(*HOUSES)
            for name in variables_read(tree)
            if is_ours(name) and not path.startswith(WITHOUT_REQUIREMENTS)
        }
        assert found == {"foundation/environment.py: computed"}

    def test_are_seen_in_each_form(self) -> None:
        text = "os.environ['BAZAAR_A']; os.environ.get('BAZAAR_B', 1); os.getenv(name); environ['SET'] = 1"
        assert list(variables_read(ast.parse(text))) == ["BAZAAR_A", "BAZAAR_B", ""]
