"""A condition that a column is one of many ids, as one parameter of a query."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func
from django.db.models.sql.compiler import SQLCompiler


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
