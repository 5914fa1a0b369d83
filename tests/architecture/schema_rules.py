"""The rules of docs/adr/0213-schemas-change-in-two-releases.md, for one operation of a migration.

An operation is harmless on a table that the last release does not have. `state` is the project's state before
the operation, `released` that of the last release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres import operations as postgres
from django.db import connection, migrations, models
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

GOES_LATER = "what the last release uses goes in the release after the one that no longer uses it"
# Operations that lock nothing that is used, or do so for a moment.
HARMLESS = (
    migrations.CreateModel, migrations.AlterModelOptions, migrations.AlterModelManagers,
    migrations.RemoveIndex, migrations.RemoveConstraint, migrations.RenameIndex,
    migrations.AlterModelTableComment,
    postgres.AddIndexConcurrently, postgres.RemoveIndexConcurrently, postgres.AddConstraintNotValid,
    postgres.ValidateConstraint,
)  # fmt: skip
GOING = (
    migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel,
    migrations.AlterModelTable,
)  # fmt: skip
TABLE = r'(?:IF EXISTS )?(?:ONLY )?"?(?P<table>\w+)"?'
DROP_COLUMN = re.compile(
    rf'ALTER TABLE {TABLE}.*?DROP COLUMN (?:IF EXISTS )?"?(?P<column>\w+)"?', re.IGNORECASE | re.DOTALL
)
DROP_TABLE = re.compile(rf"DROP TABLE {TABLE}", re.IGNORECASE)
LOCKING_SQL = {
    re.compile(r"\bRENAME\b", re.IGNORECASE): f"SQL renames: {GOES_LATER}",
    re.compile(
        r"\bSET NOT NULL\b|\bTYPE\b\s+\w+.*\bUSING\b", re.IGNORECASE
    ): "SQL reads all rows under a lock",
    re.compile(r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)", re.IGNORECASE): "SQL builds an index under a lock",
    re.compile(
        r"ADD CONSTRAINT(?!.*NOT VALID)", re.IGNORECASE | re.DOTALL
    ): "SQL adds a constraint without NOT VALID",
    re.compile(
        r"^\s*(UPDATE|DELETE|INSERT)\b", re.IGNORECASE
    ): "SQL writes rows; a task does that, in batches",
}


def faults(migration: Migration, state: ProjectState, released: ProjectState) -> Iterator[str]:
    """The faults of a migration. `state` is changed to the state after it."""
    steps = list(migration.operations)
    concurrent = [step for step in steps if isinstance(step, postgres.AddIndexConcurrently)]
    if migration.atomic and concurrent:
        yield "indexes are built concurrently in a migration with `atomic = False`"
    if not migration.atomic and len(concurrent) != len(steps):
        yield "a migration without a transaction has no time-outs, so it only builds indexes"
    if len(steps) > 1 and any(isinstance(step, postgres.ValidateConstraint) for step in steps):
        yield "a constraint is validated in a migration of its own, after the one that adds it is committed"
    for step in steps:
        for fault in _of_operation(step, migration.app_label, state, released):
            yield f"{step.describe()}: {fault}"
        step.state_forwards(migration.app_label, state)


def _of_operation(step: Operation, app: str, state: ProjectState, released: ProjectState) -> Iterator[str]:
    if isinstance(step, migrations.SeparateDatabaseAndState):
        for part in step.database_operations:
            yield from _of_operation(part, app, state, released)
        yield from _of_state_only(step, app, state, released)
    elif isinstance(step, migrations.RunPython):
        # The steps of `foundation.database.migration_steps.on_postgresql` carry their statements.
        statements: tuple[str, ...] | None = getattr(step.code, "statements", None)
        if statements is None:
            yield "rows are filled by a task, in batches, and not while the schema is locked"
        for sql in statements or ():
            yield from _of_sql(sql, released)
    elif isinstance(step, migrations.RunSQL):
        for text in [step.sql] if isinstance(step.sql, str) else step.sql:
            yield from _of_sql(text if isinstance(text, str) else text[0], released)
    elif not isinstance(step, HARMLESS) and _is_released(step, app, released):
        yield from _of_change(step, app, state)


def _of_change(step: Operation, app: str, state: ProjectState) -> Iterator[str]:
    """The faults of an operation on a table that the last release has."""
    if isinstance(step, GOING):
        yield GOES_LATER
    elif isinstance(step, migrations.AddField):
        yield from _of_new_field(step.field)
    elif isinstance(step, migrations.AlterField):
        after = state.clone()
        step.state_forwards(app, after)
        yield from _of_changed_field(_field(step, app, state), _field(step, app, after))
    elif isinstance(step, migrations.AddIndex):
        yield "the index is built under a lock: AddIndexConcurrently of foundation.database.migration_steps"
    elif isinstance(step, migrations.AddConstraint):
        yield "all rows are read under a lock: AddConstraintNotValid, and later ValidateConstraint"
    else:
        yield "this test does not know whether the operation is harmless"


def _field(step: FieldOperation, app: str, state: ProjectState) -> Any:
    """The field that an operation names, as a part of its model."""
    return state.apps.get_model(app, step.model_name)._meta.get_field(step.name)


def _of_new_field(field: Any) -> Iterator[str]:
    if isinstance(field, models.ManyToManyField):
        return
    if isinstance(field, models.GeneratedField):
        yield "the table is written anew under a lock"
    elif not field.null and field.db_default is NOT_PROVIDED:
        yield "the last release cannot write rows: the column needs null=True or a db_default"
    if field.unique or field.db_index:
        yield "the index is built under a lock: add the column, and the index concurrently"


def _of_changed_field(before: Any, after: Any) -> Iterator[str]:
    types = before.db_type(connection), after.db_type(connection)
    is_text = isinstance(before, models.CharField) and isinstance(after, models.CharField)
    is_wider = is_text and (after.max_length or 0) >= (before.max_length or 0)
    if types[0] != types[1] and not is_wider:
        yield f"the type changes from {types[0]} to {types[1]}"
    if before.column != after.column:
        yield GOES_LATER
    if before.null and not after.null:
        yield "all rows are read under a lock: a CheckConstraint by AddConstraintNotValid instead"
    if before.db_default is not NOT_PROVIDED and after.db_default is NOT_PROVIDED and not after.null:
        yield "the last release cannot write rows: the column keeps its db_default"
    if (after.unique, after.db_index) != (before.unique, before.db_index) and (
        after.unique or after.db_index
    ):
        yield "the index is built under a lock"


def _of_state_only(
    step: migrations.SeparateDatabaseAndState, app: str, state: ProjectState, released: ProjectState
) -> Iterator[str]:
    """A field that the code forgets stays in the table, and this release writes rows without it."""
    for part in step.state_operations:
        if isinstance(part, migrations.RemoveField) and _is_released(part, app, released):
            field = _field(part, app, state)
            if field.concrete and not field.null and field.db_default is NOT_PROVIDED:
                yield f"this release cannot write rows: {part.name} needs null=True or a db_default first"


def _of_sql(sql: str, released: ProjectState) -> Iterator[str]:
    used = {
        (model._meta.db_table, field.column)
        for model in released.apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
    }
    dropped = [(match["table"], match["column"]) for match in DROP_COLUMN.finditer(sql)]
    tables = {table for table, _ in used}
    if used.intersection(dropped) or tables.intersection(
        match["table"] for match in DROP_TABLE.finditer(sql)
    ):
        yield GOES_LATER
    for pattern, fault in LOCKING_SQL.items():
        if pattern.search(sql):
            yield fault


def _is_released(step: Operation, app: str, released: ProjectState) -> bool:
    """True if the last release has the table that the operation changes."""
    if isinstance(step, FieldOperation):
        name = step.model_name_lower
    else:
        name = getattr(step, "name_lower", "") or getattr(step, "old_name_lower", "")
        if isinstance(step, migrations.AddIndex | migrations.AddConstraint):
            name = step.model_name.lower()
    return (app, name) in released.models
