"""A call that conflicts with another transaction is answered with a problem, not with a crash."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from compute_market.api import problems
from compute_market.ledger.models import Account
from tests.factories.hub import NOW


@pytest.mark.django_db(transaction=True)
def test_a_parent_that_is_gone_is_a_conflict() -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Account.objects.create(namespace_id=999_999, kind=Account.Kind.MAIN, opened_at=NOW)
    answer = problems.handle(caught.value, {})
    assert answer is not None
    assert (answer.status_code, answer.data.code) == (409, "deleted_meanwhile")


@pytest.mark.django_db
def test_a_bug_stays_a_crash() -> None:
    with (
        pytest.raises(DatabaseError) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT absent FROM absent")
    assert problems.handle(caught.value, {}) is None


def test_a_transaction_that_was_ended_is_to_be_sent_again() -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    error = OperationalError("deadlock detected")
    error.__cause__ = Deadlock()
    answer = problems.handle(error, {})
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
