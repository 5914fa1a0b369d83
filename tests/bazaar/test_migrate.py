"""`migrate` on PostgreSQL gives up a lock that somebody holds, says so, and goes on when it is run again."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import DjangoDbBlocker, Settings

from bazaar import schema
from bazaar.management.commands import migrate
from tests import waiting

pytestmark = pytest.mark.postgres

Session = Callable[[], BaseDatabaseWrapper]


@pytest.fixture
def sessions(django_db_blocker: DjangoDbBlocker) -> Iterator[Session]:
    """Makes sessions of a database of its own, which the connection uses; one migration is applied there."""
    usual, made = connections["default"], []
    name = f"migrated_{uuid4().hex}"

    def session() -> BaseDatabaseWrapper:
        one = connections.create_connection("default")
        one.settings_dict = {**usual.settings_dict, "NAME": name}
        one.inc_thread_sharing()
        made.append(one)
        return one

    with django_db_blocker.unblock():
        with usual.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connections["default"] = session()
        try:
            call_command("migrate", "contenttypes", "0001", verbosity=0)
            yield session
        finally:
            for one in made:
                one.close()
            connections["default"] = usual
            with usual.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def execute(session: BaseDatabaseWrapper, sql: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(sql)


def is_pending() -> bool:
    return "contenttypes.0002_remove_content_type_name" in schema.pending()


class TestALockThatSomebodyHolds:
    def test_is_given_up_and_had_when_migrate_runs_again(
        self,
        sessions: Session,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        settings.MIGRATE_LOCK_SECONDS = 1
        monkeypatch.setattr(migrate, "PAUSES", (0.0,))
        holder, reader = sessions(), sessions()
        holder.set_autocommit(False)
        execute(holder, "SELECT count(*) FROM django_content_type")
        with pytest.raises(CommandError) as refused:
            call_command("migrate", "contenttypes", verbosity=0)
        assert re.search(
            r"within 1 s, 2 times.*again when this has ended: process \d+, for \d+ s: SELECT count",
            str(refused.value),
        )
        assert "trying again in 0 s" in capsys.readouterr().err
        assert is_pending()
        # Nothing waits for a lock any more, so readers are served.
        execute(reader, "SET lock_timeout = '1s'")
        execute(reader, "SELECT count(*) FROM django_content_type")
        holder.rollback()
        call_command("migrate", "contenttypes", verbosity=0)
        assert not is_pending()

    def test_is_had_by_a_later_try(
        self, sessions: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.MIGRATE_LOCK_SECONDS = 1
        holder = sessions()
        holder.set_autocommit(False)
        execute(holder, "SELECT count(*) FROM django_content_type")
        monkeypatch.setattr(migrate.time, "sleep", lambda _seconds: holder.rollback())
        call_command("migrate", "contenttypes", verbosity=0)
        assert not is_pending()

    def test_bounds_end_with_the_transaction(self, sessions: Session) -> None:
        call_command("migrate", "contenttypes", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("0",)


class TestAStatement:
    def test_that_runs_for_too_long_is_named(
        self, sessions: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.MIGRATE_STATEMENT_SECONDS = 1
        slow = "RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); END'"
        execute(connection, f"CREATE FUNCTION slow() {slow}")
        execute(connection, "CREATE EVENT TRIGGER slow ON ddl_command_start EXECUTE FUNCTION slow()")
        with pytest.raises(CommandError, match="BAZAAR_MIGRATE_STATEMENT_SECONDS"):
            call_command("migrate", "contenttypes", verbosity=0)
        assert is_pending()


class TestTwoAtOnce:
    def test_the_second_waits_and_finds_nothing_to_do(
        self, sessions: Session, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = sessions()
        first.set_autocommit(False)
        execute(first, f"SELECT pg_advisory_xact_lock({migrate.LOCK})")
        watcher = sessions()

        def waits() -> bool:
            with watcher.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                return bool(cursor.fetchone() == (1,))

        failed: list[BaseException] = []

        def second() -> None:
            connections["default"] = sessions()
            try:
                call_command("migrate", "contenttypes", verbosity=0)
            except BaseException as error:  # noqa: BLE001 - the test raises it
                failed.append(error)
            finally:
                connections["default"].close()

        thread = threading.Thread(target=second)
        thread.start()
        waiting.until(waits)
        call_command_of_the_first()
        first.rollback()
        thread.join()
        assert failed == []
        assert not is_pending()
        assert "Another migrate runs" in capsys.readouterr().out


def call_command_of_the_first() -> None:
    """Run the migrations of the first one, which holds the lock."""
    migrate.migrate.Command().execute(
        app_label="contenttypes", migration_name=None, database="default", verbosity=0, interactive=False,
        fake=False, fake_initial=False, plan=False, check_unapplied=False, prune=False, run_syncdb=False,
        skip_checks=True, force_color=False, no_color=True, traceback=False, stdout=None, stderr=None,
    )  # fmt: skip
