"""The rows of one moment, out of the database and back into an empty one.

SQLite is copied by its backup API. PostgreSQL is read by COPY in one repeatable-read transaction: no program
of the server's version is needed beside ours, and a pooler may stand between. Neither holds writers up.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from bazaar.backups.errors import BackupFailed
from bazaar.backups.storage import CHUNK_BYTES, Archive, File, Manifest, Writer

SQLITE_PATH = "database/db.sqlite3"
# The migrations themselves write this table; a restore runs them.
NOT_COPIED = frozenset({"django_migrations"})


def heads() -> dict[str, list[str]]:
    """App → its newest applied migrations, by which a restore makes the same tables."""
    executor = MigrationExecutor(connection)
    applied = executor.loader.applied_migrations
    graph = executor.loader.graph
    found: dict[str, list[str]] = {}
    for app, name in sorted(applied):
        node = graph.node_map.get((app, name))
        if node is None:
            continue
        if not any(child.key[0] == app and child.key in applied for child in node.children):
            found.setdefault(app, []).append(name)
    return found


def store(writer: Writer) -> None:
    """Add the database of this moment to a backup."""
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
            copy = Path(folder) / "db.sqlite3"
            _copy_sqlite(Path(str(connection.settings_dict["NAME"])), copy)
            writer.add(SQLITE_PATH, file_content(copy))
        return
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table in _tables():
            columns = _columns(table)
            names = ", ".join(map(_quoted, columns))
            with cursor.copy(f"COPY {_quoted(table)} ({names}) TO STDOUT") as source:
                writer.add(f"database/{table}:{','.join(columns)}", map(bytes, source))


def is_empty() -> bool:
    """True if nobody has an account here and nothing is stored: tables that are missing hold nothing."""
    if connection.vendor == "sqlite" and not Path(str(connection.settings_dict["NAME"])).exists():
        return True
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
    models = [apps.get_model(name) for name in ("accounts.Namespace", "repos.Repository", "ledger.Transfer")]
    return not any(
        model._meta.db_table in present and model._default_manager.exists()  # noqa: SLF001 - Django's documented API
        for model in models
    )


def require_restorable(manifest: Manifest) -> None:
    """Raises BackupFailed for another engine, and for migrations that this release does not know."""
    if manifest.engine != connection.vendor:
        raise BackupFailed(f"The backup is of {manifest.engine}; this hub's database is {connection.vendor}.")
    # Without a connection, which would make an SQLite file where there is none.
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    unknown = [
        f"{app}.{name}" for app, names in manifest.heads.items() for name in names if (app, name) not in known
    ]
    if unknown:
        raise BackupFailed(
            f"The backup was made by a newer release ({manifest.version}): {', '.join(unknown)}."
        )


def restore(archive: Archive, manifest: Manifest, *, aside: Path) -> None:
    """Put the rows back, and bring their tables up to this release. An SQLite file that is here goes `aside`.

    The caller has asked `require_restorable`. Raises: BackupFailed (SQLite finds its file damaged), Damaged.
    """
    files = [file for file in manifest.files if file.path.startswith("database/")]
    if connection.vendor == "sqlite":
        _restore_sqlite(archive.read(manifest, files[0]), aside)
    else:
        _restore_postgresql(manifest, files, lambda file: archive.read(manifest, file))
    call_command("migrate", interactive=False, verbosity=0)


def _scratch() -> Path:
    folder = Path(settings.TEMP_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy in one step: it reads one snapshot of the write-ahead log, and writers go on."""
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there, pages=-1)


def _restore_sqlite(content: Iterable[bytes], aside: Path) -> None:
    """The whole file is written beside the old one before that is put aside: a full disk changes nothing."""
    target = Path(str(connection.settings_dict["NAME"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.restoring")
    fresh.unlink(missing_ok=True)
    with fresh.open("xb") as file:
        for piece in content:
            file.write(piece)
    with closing(sqlite3.connect(fresh)) as check:
        problems = [row[0] for row in check.execute("PRAGMA integrity_check")]
    if problems != ["ok"]:
        raise BackupFailed(f"SQLite finds the restored file damaged: {problems[0]}")
    connection.close()
    for ending in ("", "-wal", "-shm"):
        old = target.with_name(target.name + ending)
        if old.exists():
            aside.mkdir(parents=True, exist_ok=True)
            old.rename(aside / old.name)
    fresh.rename(target)


def _restore_postgresql(
    manifest: Manifest, files: list[File], content: Callable[[File], Iterator[bytes]]
) -> None:
    """Make the tables of the backup's release, then fill them in one transaction: all rows or none."""
    executor = MigrationExecutor(connection)
    executor.migrate([(app, name) for app, names in manifest.heads.items() for name in names])
    tables = [file.path.removeprefix("database/").partition(":")[::2] for file in files]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # Triggers would do again what the rows tell of. Foreign keys are looked at when all rows are there.
        for table, _ in tables:
            cursor.execute(f"ALTER TABLE {_quoted(table)} DISABLE TRIGGER USER")
        cursor.execute("TRUNCATE " + ", ".join(_quoted(table) for table, _ in tables) + " CASCADE")
        for file, (table, columns) in zip(files, tables, strict=True):
            names = ", ".join(map(_quoted, columns.split(",")))
            with cursor.copy(f"COPY {_quoted(table)} ({names}) FROM STDIN") as copy:
                for piece in content(file):
                    copy.write(piece)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, _ in tables:
            cursor.execute(f"ALTER TABLE {_quoted(table)} ENABLE TRIGGER USER")
        models = apps.get_models(include_auto_created=True)
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.table_names(cursor)
    return sorted(table for table in found if table not in NOT_COPIED)


def _columns(table: str) -> list[str]:
    """The columns that a COPY may name: generated ones are computed again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
