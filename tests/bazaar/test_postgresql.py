"""Kept connections to PostgreSQL: looked at before each request, without a word to the server."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from bazaar.postgresql import base

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def operator() -> Iterator[BaseDatabaseWrapper]:
    """A session of somebody else."""
    other = connection.copy()
    yield other
    other.close()


def ask(session: BaseDatabaseWrapper, sql: str, *params: object) -> object:
    with session.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
    return row[0]


def pid() -> object:
    return ask(connection, "SELECT pg_backend_pid()")


def last_statement(operator: BaseDatabaseWrapper, session: object) -> object:
    return ask(operator, "SELECT query FROM pg_stat_activity WHERE pid = %s", session)


class TestAKeptConnection:
    def test_is_looked_at_without_a_statement(self, operator: BaseDatabaseWrapper) -> None:
        connection.is_usable()
        session = pid()
        assert connection.is_usable()
        assert last_statement(operator, session) == "SELECT pg_backend_pid()"

    def test_is_asked_after_a_pause(
        self, operator: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = pid()
        monkeypatch.setattr(base, "TRUSTED_SECONDS", -1.0)
        assert connection.is_usable()
        assert last_statement(operator, session) == "SELECT 1"

    def test_is_replaced_when_the_server_has_ended_it(self, operator: BaseDatabaseWrapper) -> None:
        session = pid()
        assert ask(operator, "SELECT pg_terminate_backend(%s, 5000)", session)
        assert not connection.is_usable()
        connection.close_if_unusable_or_obsolete()
        assert pid() != session

    def test_is_asked_when_the_server_has_said_something_else(self, operator: BaseDatabaseWrapper) -> None:
        session = pid()
        for each, sql in ((connection, "LISTEN news"), (operator, "NOTIFY news")):
            with each.cursor() as cursor:
                cursor.execute(sql)
        waiting = select.poll()
        waiting.register(connection.connection.fileno(), select.POLLIN)
        assert waiting.poll(10_000)
        assert connection.is_usable()
        assert pid() == session

    def test_that_is_closed_is_not_usable(self) -> None:
        pid()
        connection.connection.close()
        assert not connection.is_usable()
        connection.close_if_unusable_or_obsolete()
        assert pid()
