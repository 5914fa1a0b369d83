"""Rows that are locked by their key."""

from __future__ import annotations

import pytest
from django.db import transaction

from foundation.errors import DeletedMeanwhile
from foundation.held_rows import held_row
from hub.accounts.models import Namespace
from tests.factories import hub as make


@pytest.mark.django_db
def test_a_row_is_given_or_was_deleted_meanwhile() -> None:
    namespace = make.user("ada").namespace
    rows = Namespace.objects.select_for_update()
    with transaction.atomic():
        assert held_row(rows.filter(pk=namespace.pk)) == namespace
    with transaction.atomic(), pytest.raises(DeletedMeanwhile):
        held_row(rows.filter(pk=namespace.pk + 1))
