"""Values of many rows as text: an array a column on PostgreSQL, one JSON array of all rows on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import models
from django.db.models import Field

# Moments are written by this module; keys of an object may be numbers, as Python's own encoder has them.
JSON = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def array_of(field: Field[Any, Any], column: Sequence[Any]) -> str:
    """A column as the text of an array: made in one go, where the driver would adapt value by value."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return "{" + str(list(column))[1:-1] + "}"
    if kinds == {datetime}:
        # A batch has few different moments, and each costs more than all the rest of its row.
        texts = {moment: _compact(moment) for moment in set(column)}
        return "{" + ",".join([texts[moment] for moment in column]) + "}"
    values = _json_texts(column) if isinstance(field, models.JSONField) else column
    return "{" + ",".join([element(value) for value in values]) + "}"


def _compact(moment: datetime) -> str:
    """Half as long, and read twice as fast, as ISO 8601 with all its signs."""
    moment = moment.astimezone(UTC)
    return moment.strftime("%Y%m%dT%H%M%S.%fZ" if moment.microsecond else "%Y%m%dT%H%M%SZ")


def _json_texts(column: Iterable[Any]) -> Iterable[str | None]:
    return (
        None if value is None else orjson.dumps(value, default=_as_json, option=JSON).decode()
        for value in column
    )


def _as_json(value: object) -> object:
    """A row inside of a JSON value is an array there."""
    if isinstance(value, tuple):
        return tuple(value)
    raise TypeError(f"A {type(value).__name__} cannot be written as JSON.")


def element(value: Any) -> str:
    """A value as it stands in the text of an array."""
    if value is None:
        return "NULL"
    if type(value) is int:
        return str(value)
    text = str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def json_of(rows: Sequence[Sequence[Any]]) -> str:
    """All rows as one JSON text. Each moment is written out once: a batch has few different ones."""
    moments: dict[datetime, object] = {}

    def written(value: object) -> object:
        if not isinstance(value, datetime):
            return tuple(value) if isinstance(value, tuple) else sqlite_value(value)
        if value not in moments:
            moments[value] = sqlite_value(value)
        return moments[value]

    return orjson.dumps(rows, default=written, option=JSON).decode()


def sqlite_value(value: object) -> object:
    """A moment or UUID as Django keeps it on SQLite. Raises: TypeError for any other type."""
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))
    if isinstance(value, UUID):
        return value.hex
    raise TypeError(f"A {type(value).__name__} cannot be written in bulk.")
