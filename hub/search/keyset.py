"""Pages by position: a page far down costs what the first one costs."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Value
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    message = _("The cursor is not one that this hub gave.")


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


class Among(Func):
    """A condition that a column is one of these ids: one parameter for any number of ids."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, field: str, ids: list[int]) -> None:
        super().__init__(F(field))
        self.ids = ids

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        if connection.vendor == "postgresql":
            return f"{column} = ANY(%s::bigint[])", [*parameters, self.ids]
        listed = f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608
        return listed, [*parameters, json.dumps(self.ids)]


class Listed(Func):
    """The same for ids as `listed` writes them: a query with it can be compiled once."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, field: str, ids: str) -> None:
        super().__init__(F(field))
        self.ids = ids

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        if connection.vendor == "postgresql":
            return f"{column} = ANY(%s::text::bigint[])", [*parameters, self.ids]
        return f"{column} IN (SELECT value FROM json_each(%s))", [*parameters, self.ids]  # noqa: S608


def listed(ids: list[int], *, vendor: str) -> str:
    """Ids as one text: an array of PostgreSQL's, elsewhere one of JSON."""
    text = json.dumps(ids)
    return f"{{{text[1:-1]}}}" if vendor == "postgresql" else text


def _field_of(value: Any) -> models.Field[Any, Any]:
    if isinstance(value, datetime):
        return models.DateTimeField()
    return models.FloatField() if isinstance(value, float) else models.BigIntegerField()


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a page: the tier of a ranked search, the sort value and the id of its last row."""

    value: int | float | datetime
    pk: int
    tier: int = 0

    def render(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        return base64.urlsafe_b64encode(orjson.dumps([self.tier, value, self.pk])).rstrip(b"=").decode()


def parse(cursor: str, *, is_time: bool) -> Position:
    """Read what `Position.render` wrote. Raises: InvalidCursor."""
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
