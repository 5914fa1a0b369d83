"""Pages of lists (docs/wire/huggingface.md#pages-of-lists)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from hub.api.hf.http import integer, with_next
from hub.api.json import json_response

PAGE = 100
PAGE_MAX = 1000
Row = TypeVar("Row", bound=Model)


def newest_first(
    request: HttpRequest, rows: QuerySet[Row], render: Callable[[Row], dict[str, Any]], *, size: int = PAGE
) -> HttpResponse:
    """A page of rows that are ordered by falling id; the cursor is an id, so all pages cost the same."""
    limit = integer(request, "limit", default=size, low=1, high=PAGE_MAX)
    before = integer(request, "cursor", default=0, low=0, high=2**63 - 1)
    found = list((rows.filter(pk__lt=before) if before else rows)[: limit + 1])
    response = json_response([render(row) for row in found[:limit]])
    return with_next(request, response, {"cursor": found[limit - 1].pk}) if len(found) > limit else response


def by_offset(
    request: HttpRequest, rows: QuerySet[Row], render: Callable[[Row], dict[str, Any]], *, size: int = PAGE
) -> HttpResponse:
    """A page of rows in any order; for lists that are short by their nature."""
    found, more = slice_of(request, rows, size=size)
    response = json_response([render(row) for row in found])
    return with_next(request, response, more) if more else response


def slice_of(
    request: HttpRequest, rows: QuerySet[Row], *, size: int = PAGE
) -> tuple[list[Row], dict[str, str | int]]:
    """The rows of the page asked for, and what the query of the next one differs in (empty: no next)."""
    limit = integer(request, "limit", default=size, low=1, high=PAGE_MAX)
    skip = integer(request, "skip", default=0, low=0, high=1 << 31)
    found = list(rows[skip : skip + limit + 1])
    return found[:limit], {"skip": skip + limit} if len(found) > limit else {}
