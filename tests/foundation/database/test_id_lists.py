"""Conditions with lists of ids, on the database of the run."""

from __future__ import annotations

import pytest
from django.db import connection

from foundation.database.id_lists import Among, Listed, listed
from hub.accounts.models import Namespace
from tests.factories import hub as make


@pytest.mark.django_db
@pytest.mark.parametrize("wanted", [[], [0], [0, 1]])
def test_choose_the_rows_with_these_ids(wanted: list[int]) -> None:
    ids = [make.user(f"person{number}").namespace_id for number in range(3)]
    chosen = [ids[number] for number in wanted]
    text = listed(chosen, vendor=connection.vendor)
    for condition in (Among("pk", chosen), Listed("pk", text)):
        found = Namespace.objects.filter(condition)
        assert sorted(found.values_list("pk", flat=True)) == chosen
        assert len(found.query.sql_with_params()[1]) == 1
