"""A database of an earlier release, filled by its own services, and its way to today's schema.

`market.json` holds every row of the accounts and of the market, as the services of commit 6cc06ca left them
after an hour of trading: eight nodes, of which two report the same devices, two have none with an identity,
one is declared and one is retired; leases in all states that last; buys that were filled below their limit
and rest; a snapshot of the engine in format 1; commands that no worker had drained.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor

ROWS = Path(__file__).with_name("market.json")
# The newest migration of each app at that commit; other apps have no rows here.
SCHEMA = [
    ("accounts", "0002_token_grants"),
    ("ledger", "0003_lighter_writes"),
    ("offers", "0002_lighter_writes"),
    ("leases", "0003_lighter_writes"),
    ("matching", "0004_news_found_by_topic"),
]


def create() -> None:
    """Make the old schema in an empty database, and fill it."""
    executor = MigrationExecutor(connection)
    apps = executor.migrate(SCHEMA).apps
    filled = [(apps.get_model(label), table) for label, table in json.loads(ROWS.read_text()).items()]
    with connection.constraint_checks_disabled():
        for model, table in filled:
            fields = [model._meta.get_field(_name_of(model, column)) for column in table["columns"]]
            model._base_manager.bulk_create(_made(model, fields, row) for row in table["rows"])
    for statement in connection.ops.sequence_reset_sql(no_style(), [model for model, _ in filled]):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    connection.check_constraints()


def migrate() -> None:
    """Bring the database to today's schema."""
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def _name_of(model: Any, column: str) -> str:
    """The field that has this column as its attribute; foreign keys are named without `_id`."""
    name: str = next(field.name for field in model._meta.concrete_fields if field.attname == column)
    return name


def _made(model: Any, fields: list[Any], row: list[Any]) -> models.Model:
    values = {field.attname: _value(field, value) for field, value in zip(fields, row, strict=True)}
    made: models.Model = model(**values)
    return made


def _value(field: Any, value: Any) -> Any:
    if value is not None and isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    target = field.target_field if field.is_relation else field
    return value if isinstance(field, models.JSONField) else target.to_python(value)
