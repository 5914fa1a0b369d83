"""Rows that are locked by their key, and may have been deleted since they were read."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from foundation.errors import DeletedMeanwhile

Row = TypeVar("Row", bound=Model)


def held_row(rows: QuerySet[Row]) -> Row:
    """The one row of a query that locks a row by its primary key. Raises: DeletedMeanwhile.

    The caller read the row before its transaction, so that it is missing now is no fault of the caller's.
    """
    found = rows.first()
    if found is None:
        raise DeletedMeanwhile
    return found
