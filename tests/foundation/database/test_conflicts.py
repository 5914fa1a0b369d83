"""Rows with unique values, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from foundation.database.conflicts import duplicate_as
from hub.accounts.models import Namespace, SshKey

pytestmark = pytest.mark.django_db


class TakenError(Exception):
    pass


def add(**values: object) -> Namespace:
    with duplicate_as(TakenError):
        return Namespace.objects.create(**{"name": "ada", "key": "ada", "kind": Namespace.Kind.USER} | values)


class TestDuplicates:
    def test_become_the_refusal_and_the_transaction_goes_on(self) -> None:
        first = add()
        with transaction.atomic():
            with pytest.raises(TakenError):
                add()
            with pytest.raises(TakenError):
                add(pk=first.pk, name="eve", key="eve")
            assert add(name="eve", key="eve").pk

    def test_are_not_what_a_missing_value_is(self) -> None:
        nobody: Any = None
        with pytest.raises(IntegrityError, match=r"(?i)not.null"), duplicate_as(TakenError):
            SshKey.objects.create(user_id=nobody, name="k", kind="x", body="x", fingerprint="x")
