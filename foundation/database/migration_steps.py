"""Steps of migrations that Django has no operation for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import migrations


def on_postgresql(forwards: Iterable[str], backwards: Iterable[str]) -> migrations.RunPython:
    """Statements that concern PostgreSQL alone, and those that undo them."""
    return migrations.RunPython(_run(tuple(forwards)), _run(tuple(backwards)), elidable=False)


def _run(statements: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return run
