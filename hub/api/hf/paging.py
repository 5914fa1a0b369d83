"""Pages of lists (docs/wire/huggingface.md#pages-of-lists)."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from foundation import paging
from foundation.paging import Row, Size
from foundation.whole_numbers import INT64_MAX
from hub.api.hf.http import integer, with_next
from hub.api.structs import Answer, answer_with

SIZE = Size(default=100, most=1000)


def newest_first(
    request: HttpRequest, rows: QuerySet[Row], render: Callable[[Row], Answer], *, size: Size = SIZE
) -> HttpResponse:
    """A page of rows that are ordered by falling id; the cursor is an id, so all pages cost the same."""
    before = integer(request, "cursor", default=0, low=0, high=INT64_MAX)
    found = paging.newest_first(rows, size=_size(request, size), before=before or None)
    response = answer_with([render(row) for row in found.rows])
    return response if found.next is None else with_next(request, response, {"cursor": found.next})


def by_offset(
    request: HttpRequest, rows: QuerySet[Row], render: Callable[[Row], Answer], *, size: Size = SIZE
) -> HttpResponse:
    """A page of rows in any order; for lists that are short by their nature."""
    found, more = slice_of(request, rows, size=size)
    response = answer_with([render(row) for row in found])
    return with_next(request, response, more) if more else response


def slice_of(
    request: HttpRequest, rows: QuerySet[Row], *, size: Size = SIZE
) -> tuple[list[Row], dict[str, str | int]]:
    """The rows of the page asked for, and what the query of the next one differs in (empty: no next)."""
    wanted = _size(request, size)
    skip = integer(request, "skip", default=0, low=0, high=1 << 31)
    found = paging.by_position(rows, skip=skip, size=wanted)
    return found.rows, {"skip": skip + wanted} if found.has_more else {}


def _size(request: HttpRequest, size: Size) -> int:
    return integer(request, "limit", default=size.default, low=1, high=size.most)
