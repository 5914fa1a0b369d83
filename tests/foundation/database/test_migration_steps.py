"""The operations of migrations that lock little: on PostgreSQL Django's own, on SQLite plain ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from foundation.database.migration_steps import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)

TABLE = "hall_thing"


class Table:
    """A table of its own, and the project's state that describes it."""

    def __init__(self) -> None:
        self.state = ProjectState()
        self.run(
            migrations.CreateModel(
                "Thing", [("id", models.BigAutoField(primary_key=True)), ("size", models.IntegerField())]
            )
        )

    def run(self, operation: Operation, *, atomic: bool = True, backwards: bool = False) -> None:
        after = self.state.clone()
        operation.state_forwards("hall", after)
        with connection.schema_editor(atomic=atomic) as editor:
            if backwards:
                operation.database_backwards("hall", editor, after, self.state)
            else:
                operation.database_forwards("hall", editor, self.state, after)
        self.state = self.state if backwards else after

    def add(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {TABLE} (size) VALUES (%s)", [size])  # noqa: S608 - a fixed name

    @property
    def constraints(self) -> set[str]:
        with connection.cursor() as cursor:
            return set(connection.introspection.get_constraints(cursor, TABLE))


@pytest.fixture
def table(transactional_db: None) -> Iterator[Table]:
    yield Table()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def test_an_index_is_built_and_removed(table: Table) -> None:
    add = AddIndexConcurrently("thing", models.Index(fields=["size"], name="thing_size"))
    before = table.state.clone()
    table.run(add, atomic=False)
    assert "thing_size" in table.constraints
    table.state = before
    table.run(add, atomic=False, backwards=True)
    assert "thing_size" not in table.constraints


def test_a_constraint_holds_for_new_rows_and_later_for_all(table: Table) -> None:
    is_postgresql = connection.vendor == "postgresql"
    if is_postgresql:
        table.add(-1)
    check = models.CheckConstraint(condition=models.Q(size__gte=0), name="thing_not_negative")
    table.run(AddConstraintNotValid("thing", check))
    with pytest.raises(IntegrityError):
        table.add(-2)
    if is_postgresql:
        with pytest.raises(IntegrityError):
            table.run(ValidateConstraint("thing", "thing_not_negative"))
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608 - a fixed name
    table.run(ValidateConstraint("thing", "thing_not_negative"))
    table.add(1)
