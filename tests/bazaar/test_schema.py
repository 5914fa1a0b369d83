"""A release on the schema of the release before says so: 503 with the reason, no error of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from bazaar import schema
from bazaar.celery import _wait_for_data
from bazaar.doctor import schema_is_current
from bazaar.server import guarding
from bazaar.server.guarding import SchemaGuard

LATEST = ("audit", "0002_chained")


@pytest.fixture
def _one_pending(db: None) -> None:
    MigrationRecorder(connection).record_unapplied(*LATEST)


def apply_it() -> None:
    MigrationRecorder(connection).record_applied(*LATEST)


class TestPending:
    def test_knows_the_migrations_that_django_knows(self) -> None:
        assert schema.known() == frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)

    @pytest.mark.usefixtures("db")
    def test_is_empty_on_this_schema_and_on_that_of_the_next_release(self) -> None:
        assert schema.pending() == []
        MigrationRecorder(connection).record_applied("audit", "9999_of_the_next_release")
        assert schema.problem() == ""

    @pytest.mark.usefixtures("_one_pending")
    def test_makes_the_node_not_ready_and_the_doctor_say_what_to_do(self, client: Client) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        expected = "1 migrations pending (audit.0002_chained); run migrate"
        assert answer.json()["dependencies"]["schema"] == expected
        found = [each for each in schema_is_current() if each.id == "bazaar.E201"]
        assert [each.hint for each in found] == ["Run: script/manage migrate"]
        apply_it()
        assert client.get("/readyz").status_code == 200


class TestGuard:
    @pytest.fixture
    def ask(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
        monkeypatch.setattr(guarding, "LOOK_SECONDS", 0.0)

        def application(_env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", [])
            return []

        guard = SchemaGuard(application)

        def get(path: str) -> str:
            said = []
            guard({"PATH_INFO": path}, lambda status, headers: said.append((status, dict(headers))))
            [(status, headers)] = said
            assert status.startswith("200") or headers["Retry-After"] == "5"
            return str(status)

        return get

    @pytest.mark.usefixtures("_one_pending")
    def test_answers_all_but_probes_by_503_until_migrations_are_applied(
        self, ask: Callable[[str], str]
    ) -> None:
        assert ask("/api/models") == "503 Service Unavailable"
        assert ask("/healthz") == ask("/readyz") == "200 OK"
        apply_it()
        assert ask("/api/models") == "200 OK"

    def test_leaves_a_database_that_does_not_answer_to_the_application(
        self, ask: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> str:
            raise DatabaseError

        monkeypatch.setattr(schema, "problem", fail)
        assert ask("/api/models") == "200 OK"
        monkeypatch.setattr(schema, "problem", lambda: "1 migrations pending")
        assert ask("/api/models") == "503 Service Unavailable"


class TestWorker:
    def test_waits_for_the_migrations_of_its_release(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = ["2 migrations pending", "1 migrations pending", ""]
        pauses: list[float] = []
        monkeypatch.setattr(schema, "problem", lambda: answers.pop(0))
        monkeypatch.setattr(schema.time, "sleep", pauses.append)
        monkeypatch.setattr(schema.connection, "close", lambda: None)
        _wait_for_data()
        assert answers == []
        assert len(pauses) == 2
