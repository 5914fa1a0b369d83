"""Pages of lists, in two ways: after the last row that was shown (by keyset), or by position.

By keyset, a page far down costs what the first one costs, and rows that come or go move no other row from
page to page. By position, callers can jump; it is for lists that are short, or that a wire numbers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import orjson
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Model, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid
from foundation.whole_numbers import whole_number

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")
Read_co = TypeVar("Read_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Size:
    """The number of rows on the pages of one list: the default, and the most."""

    default: int
    most: int

    def of(self, asked: int | None) -> int:
        """The size of a page for a requested number; None: no number was requested."""
        return max(1, min(self.most, self.default if asked is None else asked))


class KeysetPage(NamedTuple, Generic[Row]):
    """Rows, newest first, and the id of the last one if others follow."""

    rows: list[Row]
    next: int | None


def newest_first(rows: QuerySet[Row], *, size: int, before: int | None = None) -> KeysetPage[Row]:
    """A page of a query that is ordered by falling id; `before` is the `next` of the page before it."""
    wanted = rows if before is None else rows.filter(pk__lt=before)
    found, has_more = _split(wanted[: size + 1], size)
    return KeysetPage(found, found[-1].pk if has_more else None)


class Part(NamedTuple, Generic[Item]):
    """Rows of a list, and whether others follow."""

    rows: list[Item]
    has_more: bool


class Sliceable(Protocol[Read_co]):
    """A list, or a query: what can be read from one position to another."""

    def __getitem__(self, part: slice, /) -> Iterable[Read_co]: ...


def by_position(rows: Sliceable[Item], *, skip: int, size: int) -> Part[Item]:
    """At most `size` rows after the first `skip`. One row more is read, to know whether others follow."""
    return _split(rows[skip : skip + size + 1], size)


def skip_of(number: int, size: int) -> int:
    """The number of rows before a page; pages are numbered from 1."""
    return (number - 1) * size


def _split(found: Iterable[Item], size: int) -> Part[Item]:
    rows = list(islice(found, size + 1))
    return Part(rows[:size], len(rows) > size)


def page_of(request: HttpRequest, rows: Any, size: int) -> Page[Any]:
    """The page that a web page's query names by `?page=`; the first or last one for a number beyond."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


# ---- cursors ---------------------------------------------------------------------------------------


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    message = _("The page cursor is invalid.")


def write_id(pk: int) -> str:
    """An id as an opaque cursor, which `read_id` reads."""
    return base64.urlsafe_b64encode(f"c{pk}".encode()).decode().rstrip("=")


def read_id(cursor: str) -> int:
    """The id in a cursor. Raises: InvalidCursor."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:  # no base64, no text
        raise InvalidCursor from None
    found = whole_number(plain[1:]) if plain.startswith("c") else None
    if found is None:
        raise InvalidCursor
    return found


class After(Func):
    """`(field, id) < (value, id)`: a row comparison, which both databases answer from one index."""

    template = "(%(expressions)s)"
    output_field = models.BooleanField()
    conditional = True

    def __init__(self, field: str, value: Any, pk: int) -> None:
        column = F(field)
        super().__init__(column, F("pk"), Value(value, output_field=_field_of(value)), Value(pk))

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        parts: list[str] = []
        parameters: list[Any] = []
        for expression in self.get_source_expressions():
            sql, values = compiler.compile(expression)
            parts.append(sql)
            parameters += values
        return f"({parts[0]}, {parts[1]}) < ({parts[2]}, {parts[3]})", parameters


def _field_of(value: Any) -> models.Field[Any, Any]:
    if isinstance(value, datetime):
        return models.DateTimeField()
    return models.FloatField() if isinstance(value, float) else models.BigIntegerField()


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a page of a list in any order: the sort value and the id of its last row.

    `tier`: which part of a list in several parts (a ranked search) the row is in.
    """

    value: int | float | datetime
    pk: int
    tier: int = 0

    def render(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        return base64.urlsafe_b64encode(orjson.dumps([self.tier, value, self.pk])).rstrip(b"=").decode()


def read_position(cursor: str, *, is_time: bool) -> Position:
    """Read what `Position.render` wrote; `is_time`: the list is ordered by a moment.

    Raises: InvalidCursor.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        tier, value, pk = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if is_time:
            value = datetime.fromisoformat(value)
            if value.tzinfo is None:
                raise InvalidCursor
        elif not isinstance(value, (int, float)) or isinstance(value, bool):
            raise InvalidCursor
        if type(tier) is not int or type(pk) is not int or not (0 <= tier <= 9 and 0 <= pk < 2**63):
            raise InvalidCursor
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidCursor
    except (ValueError, TypeError, binascii.Error):
        raise InvalidCursor from None
    return Position(value=value, pk=pk, tier=tier)
