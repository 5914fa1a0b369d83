"""Changes of the schema that wait for a lock for a bounded time only.

A statement that waits for an exclusive lock has every later reader of the table wait behind it. So a change
that cannot have its lock soon gives up, and is tried again later (`migrate`).
"""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db.backends.postgresql import schema


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Django's, with bounds for all statements of its transaction, also for those of RunPython and RunSQL.

    The bounds end with the transaction, so a pooler that lends the session to others passes nothing on. A
    migration without a transaction has no bounds: it may only do what blocks neither readers nor writers
    (tests/architecture/test_schema_changes.py).
    """

    def __enter__(self) -> Self:
        entered = super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            with self.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    [f"{settings.MIGRATE_LOCK_SECONDS}s", f"{settings.MIGRATE_STATEMENT_SECONDS}s"],
                )
        return entered
