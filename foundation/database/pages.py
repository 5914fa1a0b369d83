"""Many rows, read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

PAGE_ROWS = 500
Row = TypeVar("Row", bound=Model)


def page_by_page(rows: QuerySet[Row]) -> Iterator[Row]:
    """The rows in the order of their primary keys, each as new as the page that it is in.

    For loops that write: while a query is not read to its end, its connection sees the database as it was,
    and once another process has written, SQLite refuses every write of this connection.
    """
    ordered = rows.order_by("pk")
    page = list(ordered[:PAGE_ROWS])
    while page:
        yield from page
        page = list(ordered.filter(pk__gt=page[-1].pk)[:PAGE_ROWS])
