"""Conflicts with another transaction become refusals in one place (docs/adr/0157)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("foundation", "hub", "compute_market", "bazaar")
THE_PLACE = "foundation/database/conflicts.py"


def calls_of(node: ast.AST) -> set[str]:
    """The names of the methods called on the way to a value: `a.b().c()` gives b and c."""
    found = set()
    while isinstance(node, (ast.Call, ast.Attribute)):
        if isinstance(node, ast.Call):
            node = node.func
        else:
            found.add(node.attr)
            node = node.value
    return found


def is_get_of_a_locked_row(node: ast.AST) -> bool:
    """`….select_for_update(…)….get(…)` raises DoesNotExist, a 500, for a row that was deleted meanwhile."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and "select_for_update" in calls_of(node.func.value)
    )


def catches_integrity_errors(node: ast.AST) -> bool:
    """A handler of every IntegrityError takes a missing value for a duplicate, too."""
    if not isinstance(node, ast.ExceptHandler) or node.type is None:
        return False
    return any(
        isinstance(name, (ast.Name, ast.Attribute))
        and (name.id if isinstance(name, ast.Name) else name.attr) == "IntegrityError"
        for name in ast.walk(node.type)
    )


def found_by(wanted: Callable[[ast.AST], bool]) -> Iterator[str]:
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "migrations" in path.parts or name == THE_PLACE:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if wanted(node):
                    yield f"{name}:{getattr(node, 'lineno', 0)}"


def test_locked_rows_are_read_by_held_row() -> None:
    assert list(found_by(is_get_of_a_locked_row)) == []


def test_duplicates_are_refused_by_duplicate_as() -> None:
    assert list(found_by(catches_integrity_errors)) == []


def test_the_checks_see_what_they_look_for() -> None:
    locked = ast.parse("rows = Row.objects.select_for_update(of=('self',)).filter(a=1).get(pk=1)")
    assert any(map(is_get_of_a_locked_row, ast.walk(locked)))
    plain = ast.parse("Row.objects.select_for_update().get_or_create(pk=1); d.get(1); a().get(2)")
    assert not any(map(is_get_of_a_locked_row, ast.walk(plain)))
    for text in ("IntegrityError", "db.IntegrityError", "(ValueError, IntegrityError)"):
        handler = ast.parse(f"try:\n    pass\nexcept {text}:\n    pass")
        assert any(map(catches_integrity_errors, ast.walk(handler)))
    other = ast.parse("try:\n    pass\nexcept (ValueError, KeyError):\n    pass")
    assert not any(map(catches_integrity_errors, ast.walk(other)))
