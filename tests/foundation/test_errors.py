"""Refusals: their texts for people and programs, and the errors of the database that become refusals."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError, OperationalError

from foundation import errors


class Full(errors.QuotaExceeded):
    code = "full"
    message = "{name} has {used} of {limit}."


def test_a_message_names_the_details() -> None:
    refusal = Full(name="ada", used=3, limit=3)
    assert str(refusal) == "ada has 3 of 3."
    assert refusal.details == {"name": "ada", "used": 3, "limit": 3}


class DriversError(Exception):
    """An error of PostgreSQL's driver, as far as its code is asked for."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "refusal"), [("40P01", errors.Interrupted), ("23503", errors.DeletedMeanwhile)]
)
def test_a_conflict_that_the_database_finds_is_a_refusal(
    sqlstate: str, refusal: type[errors.Refusal], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    error = OperationalError("conflict")
    error.__cause__ = DriversError(sqlstate)
    assert type(errors.refusal_of(error)) is refusal
    assert "database_conflict" in caplog.text


def test_another_error_of_the_database_is_a_bug() -> None:
    assert errors.refusal_of(DatabaseError("no such column: x")) is None
