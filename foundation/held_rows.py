"""Rows that are locked by their key, and may have been deleted since they were read."""

from __future__ import annotations

from typing import TypeVar

from django.db import connection
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


def kept_keys(rows: QuerySet[Row]) -> set[int]:
    """Keep rows from being deleted until the transaction ends; gives the primary keys of those that exist.

    Transactions that keep the same row do not wait for each other, but for one that has it `FOR UPDATE`.
    Django does not offer this lock of PostgreSQL, which foreign keys take. SQLite has one writer at a time.
    """
    keys = rows.order_by("pk").values_list("pk")
    if connection.vendor != "postgresql":
        return {key for (key,) in keys}
    statement, parameters = keys.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} FOR KEY SHARE", parameters)
        return {key for (key,) in cursor.fetchall()}
