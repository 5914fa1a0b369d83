"""`manage.py migrate`: Django's. On PostgreSQL it gives up a lock that it cannot have soon, and tries again.

One `migrate` runs at a time on a database: another one waits and then finds the migrations applied.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# Seconds between two tries.
PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0)
# The advisory lock of `migrate`: any number that nothing else in this database uses.
LOCK = 7_214_963_150
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"
OLDEST = """
    SELECT format('process %%s, for %%s s: %%s',
        pid, extract(epoch FROM now() - xact_start)::int, left(query, 120))
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '1 s'
        AND application_name <> %s
    ORDER BY xact_start LIMIT 3
"""
NAME = "bazaar migrate"


class Command(migrate.Command):
    help = (
        "Bring the database to the schema of this release. Beside a running hub: see docs/operate/upgrade.md."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        database = connections[options.get("database") or DEFAULT_DB_ALIAS]
        if database.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with self._alone(database):
            for pause in (*PAUSES, None):
                try:
                    super().handle(*args, **options)
                except OperationalError as error:
                    self._note(database, error, pause)
                else:
                    return

    @contextmanager
    def _alone(self, database: BaseDatabaseWrapper) -> Iterator[None]:
        """Hold the lock of `migrate` in a transaction of another connection: a pooler keeps that together."""
        other = database.copy(database.alias)
        other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], "application_name": NAME}
        try:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
                if cursor.fetchone() != (True,):
                    self.stdout.write("Another migrate runs on this database; waiting for it.")
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            yield
        finally:
            other.close()

    def _note(self, database: BaseDatabaseWrapper, error: OperationalError, pause: float | None) -> None:
        """Wait for the next try. Raises: CommandError after the last; the error, if it is of another kind."""
        state = getattr(error.__cause__, "sqlstate", "")
        if state == QUERY_CANCELED:
            raise CommandError(
                f"A statement ran for longer than {settings.MIGRATE_STATEMENT_SECONDS} s "
                "(BAZAAR_MIGRATE_STATEMENT_SECONDS) and was taken back. What was applied before stays."
            ) from error
        if state != LOCK_NOT_AVAILABLE:
            raise error
        transaction.get_connection(database.alias).close_if_unusable_or_obsolete()
        held = self._oldest(database)
        problem = f"A lock was not to be had within {settings.MIGRATE_LOCK_SECONDS} s"
        if pause is None:
            raise CommandError(
                f"{problem}, {len(PAUSES) + 1} times. The migration was taken back, those before it stay. "
                f"Run migrate again when this has ended: {held}"
            ) from error
        self.stderr.write(f"{problem}; trying again in {pause:g} s. The oldest transactions: {held}")
        time.sleep(pause)

    @staticmethod
    def _oldest(database: BaseDatabaseWrapper) -> str:
        with database.cursor() as cursor:
            cursor.execute(OLDEST, [NAME])
            return "; ".join(row[0] for row in cursor.fetchall()) or "none that this user may see"
