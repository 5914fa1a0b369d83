"""Steps of migrations that Django has no operation for, or has for PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.postgres import operations as postgres
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


def on_postgresql(forwards: Iterable[str], backwards: Iterable[str]) -> migrations.RunPython:
    """Statements that concern PostgreSQL alone, and those that undo them."""
    return migrations.RunPython(_run(tuple(forwards)), _run(tuple(backwards)), elidable=False)


def _run(statements: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    run.statements = statements  # type: ignore[attr-defined]  # tests/architecture/schema_rules.py reads it
    return run


class AddIndexConcurrently(postgres.AddIndexConcurrently):
    """Django's, which builds an index while rows are written; on SQLite, which has one writer, a plain one.

    The migration has `atomic = False`.
    """

    def database_forwards(
        self,
        app_label: str,
        editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, editor, from_state, to_state)
        else:
            migrations.AddIndex.database_forwards(self, app_label, editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, editor, from_state, to_state)
        else:
            migrations.AddIndex.database_backwards(self, app_label, editor, from_state, to_state)


class AddConstraintNotValid(postgres.AddConstraintNotValid):
    """Django's: rows that are written are checked, those that are there are not. SQLite checks all."""

    def database_forwards(
        self,
        app_label: str,
        editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, editor, from_state, to_state)
        else:
            migrations.AddConstraint.database_forwards(self, app_label, editor, from_state, to_state)


class ValidateConstraint(postgres.ValidateConstraint):
    """Django's: checks the rows that are there, while others are written. In a migration of its own."""

    def database_forwards(
        self,
        app_label: str,
        editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, editor, from_state, to_state)
