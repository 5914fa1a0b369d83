"""Many rows in one statement, on both databases.

A shard is drained a thousand trades at a time; a statement a row would be slower than the matching itself.
PostgreSQL unnests one array a column; SQLite reads one JSON text. Both take any number of rows, so no limit
of parameters is met. The texts are composed once, and PostgreSQL keeps them. Rows are named tuples whose
fields are fields of the model, or objects with such attributes: no column is found by its place. Values go in
as they are: callers check them, the tables' constraints check them again. Names in the SQL are those of
models and fields; whatever comes from outside is a parameter.
"""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.backends.utils import CursorWrapper
from django.db.models import Field
from django.db.models.expressions import RawSQL

from foundation.database.column_texts import array_of, element, json_of, sqlite_value
from foundation.database.cursors import prepared_cursor

EMPTY: Mapping[str, Any] = {}


class WriteResult:
    """The result of a statement. Inside `pipelined()`, only reading the count waits for the database."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: CursorWrapper | None = None) -> None:
        self._cursor = cursor

    def count(self) -> int:
        """The number of matched rows."""
        return 0 if self._cursor is None else int(self._cursor.rowcount)


class Key(NamedTuple):
    """A row to change by values that are the same for all."""

    pk: int


def insert_rows(
    model: type[models.Model],
    rows: Sequence[NamedTuple],
    *,
    same: Mapping[str, Any] = EMPTY,
    once: Sequence[str] = (),
) -> list[int]:
    """Insert rows; give their primary keys in the order of the rows.

    All rows are of one type, whose fields are fields of the model. `same` holds fields that have one value in
    all rows: it travels, and is read, once. Other fields need a default in the database or must be nullable.
    `once` names a unique constraint's fields: where a row is there already, its other fields are set, and
    where it has no others it is left as it is.
    """
    if not rows:
        return []
    return _insert(model, _names(rows), rows, same=same, once=once)


def insert_objects(model: type[models.Model], objects: Sequence[models.Model]) -> None:
    """Insert new objects of a model, with all their columns but the primary key, which each is given."""
    if not objects:
        return
    names = _columns_without_pk(model)
    pks = _insert(model, names, list(map(_values(names), objects)))
    for each, pk in zip(objects, pks, strict=True):
        each.pk = pk
        each._state.adding = False  # noqa: SLF001 - what save() would note
        each._state.db = DEFAULT_DB_ALIAS  # noqa: SLF001


def add_rows(
    model: type[models.Model],
    rows: Sequence[NamedTuple],
    *,
    same: Mapping[str, Any] = EMPTY,
    once: Sequence[str] = (),
) -> WriteResult:
    """Insert rows as `insert_rows` does, where nobody needs their keys."""
    if not rows:
        return WriteResult()
    statement = _insertion(
        connection.vendor, model, _names(rows), tuple(same), tuple(once), is_answered=False
    )
    return _send(statement, rows, same)


def add_objects(
    model: type[models.Model],
    names: Sequence[str],
    objects: Collection[Any],
    *,
    same: Mapping[str, Any] = EMPTY,
) -> WriteResult:
    """Insert rows made of the named columns of objects, which have them as attributes. Gives no keys."""
    if not objects:
        return WriteResult()
    statement = _insertion(connection.vendor, model, tuple(names), tuple(same), (), is_answered=False)
    return _send(statement, list(map(_values(names), objects)), same)


def update_rows(
    model: type[models.Model],
    rows: Sequence[NamedTuple],
    *,
    same: Mapping[str, Any] = EMPTY,
    add: bool = False,
    where: str = "",
) -> WriteResult:
    """Set fields of many rows, each found by its first field, `pk`. `same` as for `insert_rows`.

    With `add`, the values are added to what is there. `where` is a further condition in SQL on the table's
    own columns, for compare-and-set; it is part of the program, never of its input.
    """
    if not rows:
        return WriteResult()
    key, *names = _names(rows)
    if key != "pk":
        raise TypeError(f"The first field of {type(rows[0]).__name__} is {key}, not pk.")
    statement = _change(connection.vendor, model, tuple(names), tuple(same), add=add, where=where)
    return _send(statement, rows, same)


def update_objects(
    model: type[models.Model],
    names: Sequence[str],
    objects: Collection[Any],
    *,
    same: Mapping[str, Any] = EMPTY,
    where: str = "",
) -> WriteResult:
    """Write the named columns of many objects; each has them, and its `pk`, as attributes."""
    if not objects:
        return WriteResult()
    statement = _change(connection.vendor, model, tuple(names), tuple(same), add=False, where=where)
    return _send(statement, list(map(_values(("pk", *names)), objects)), same)


def delete_rows(model: type[models.Model], keys: Sequence[NamedTuple]) -> WriteResult:
    """Delete the rows whose fields hold one of these keys."""
    return _send(_deletion(connection.vendor, model, _names(keys)), keys) if keys else WriteResult()


def columns_sql(model: type[models.Model], names: Sequence[str]) -> str:
    """The columns of these fields, to select them by name; `pk` is the primary key."""
    fields = (_pk(model) if name == "pk" else _field(model, name) for name in names)
    return ", ".join(_column(field) for field in fields)


def _values(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that returns the values of these attributes of an object."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda each: tuple(getattr(each, name) for name in names)


def _names(rows: Sequence[NamedTuple]) -> tuple[str, ...]:
    return rows[0]._fields


def _insert(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
    *,
    same: Mapping[str, Any] = EMPTY,
    once: Sequence[str] = (),
) -> list[int]:
    statement = _insertion(connection.vendor, model, names, tuple(same), tuple(once), is_answered=True)
    with prepared_cursor() as cursor:
        cursor.execute(statement.sql, statement.params(rows, same))
        return [pk for (pk,) in cursor.fetchall()]


@cache
def _columns_without_pk(model: type[models.Model]) -> tuple[str, ...]:
    fields = model._meta.concrete_fields  # noqa: SLF001
    return tuple(field.attname for field in fields if not field.primary_key)


def _send(
    statement: _Statement, rows: Sequence[Sequence[Any]], same: Mapping[str, Any] = EMPTY
) -> WriteResult:
    cursor = prepared_cursor()
    cursor.execute(statement.sql, statement.params(rows, same))
    return WriteResult(cursor)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A text that is composed once, and the fields that its rows hold."""

    sql: str
    fields: tuple[Field[Any, Any], ...]

    def params(self, rows: Sequence[Sequence[Any]], same: Mapping[str, Any]) -> list[Any]:
        """The statement's parameters: what is the same, then a text a column, or one for all on SQLite."""
        if connection.vendor == "postgresql":
            columns = zip(*rows, strict=True)
            texts = [array_of(field, column) for field, column in zip(self.fields, columns, strict=True)]
            return [*same.values(), *texts]
        alike = [value if isinstance(value, int | str) else sqlite_value(value) for value in same.values()]
        return [*alike, json_of(rows)]


@cache
def _insertion(
    vendor: str,
    model: type[models.Model],
    names: tuple[str, ...],
    same: tuple[str, ...],
    once: tuple[str, ...],
    *,
    is_answered: bool,
) -> _Statement:
    fields = tuple(_field(model, name) for name in names)
    alike = tuple(_field(model, name) for name in same)
    columns = ", ".join(_column(field) for field in (*alike, *fields))
    values = ", ".join([_hole(field) for field in alike] + [f"v.c{index}" for index in range(len(fields))])
    sql = (
        f"INSERT INTO {table_of(model)} ({columns}) SELECT {values} FROM {_source(fields)}"
        " WHERE true ORDER BY v.n"  # without the condition SQLite takes ON CONFLICT for one of a join
    )
    if once:
        key = ", ".join(_column(_field(model, name)) for name in once)
        others = [_column(_field(model, name)) for name in (*same, *names) if name not in once]
        changes = ", ".join(f"{column} = excluded.{column}" for column in others)
        sql += f" ON CONFLICT ({key}) " + (f"DO UPDATE SET {changes}" if changes else "DO NOTHING")
    if is_answered:
        sql += f" RETURNING {_column(_pk(model))}"
    return _Statement(sql, fields)


@cache
def _change(
    vendor: str,
    model: type[models.Model],
    names: tuple[str, ...],
    same: tuple[str, ...],
    *,
    add: bool,
    where: str,
) -> _Statement:
    fields = (_pk(model), *(_field(model, name) for name in names))
    table = table_of(model)
    changes = [f"{_column(field)} = {_hole(field)}" for field in (_field(model, name) for name in same)]
    changes += [
        f"{_column(field)} = " + (f"{table}.{_column(field)} + v.c{index}" if add else f"v.c{index}")
        for index, field in enumerate(fields)
        if index
    ]
    values = ", ".join(changes)
    sql = f"UPDATE {table} SET {values} FROM {_source(fields)} WHERE {table}.{_column(fields[0])} = v.c0" + (
        f" AND {where}" if where else ""
    )
    return _Statement(sql, fields)


@cache
def _deletion(vendor: str, model: type[models.Model], names: tuple[str, ...]) -> _Statement:
    fields = tuple(_field(model, name) for name in names)
    columns = ", ".join(_column(field) for field in fields)
    wanted = ", ".join(f"v.c{index}" for index in range(len(fields)))
    sql = f"DELETE FROM {table_of(model)} WHERE ({columns}) IN (SELECT {wanted} FROM {_source(fields)})"
    return _Statement(sql, fields)


def _source(fields: Sequence[Field[Any, Any]]) -> str:
    """The rows as a table `v` with their number `n` and columns c0, c1, …"""
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{field.rel_db_type(connection)}[]" for field in fields)
        names = ", ".join(f"c{index}" for index in range(len(fields)))
        return f"unnest({arrays}) WITH ORDINALITY AS v({names}, n)"
    names = ", ".join(f"{_extracted(field, index)} AS c{index}" for index, field in enumerate(fields))
    return f"(SELECT key AS n, {names} FROM json_each(%s)) AS v"


def _extracted(field: Field[Any, Any], index: int) -> str:
    """One value of a row on SQLite; Django keeps UUIDs without the hyphens that JSON has."""
    value = f"json_extract(value, '$[{index}]')"
    return f"replace({value}, '-', '')" if isinstance(field, models.UUIDField) else value


def _hole(field: Field[Any, Any]) -> str:
    """The parameter of one value for all rows."""
    return f"%s::{field.rel_db_type(connection)}" if connection.vendor == "postgresql" else "%s"


def _column(field: Field[Any, Any]) -> str:
    """The quoted name of a field's column."""
    return connection.ops.quote_name(str(field.column or field.attname))


def table_of(model: type[models.Model]) -> str:
    """A model's table, quoted, for the few statements that the ORM has no words for."""
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django documents _meta


def listed(values: Collection[int] | Collection[str]) -> RawSQL:
    """Values for an `__in` filter, as one parameter: thousands of placeholders cost more than their query."""
    kind = "text" if values and isinstance(next(iter(values)), str) else "bigint"
    return listed_in(as_list(values), kind=kind)


def listed_in(text: str, *, kind: str = "bigint") -> RawSQL:
    """The same for a text of `as_list`; `kind` is bigint or text."""
    return RawSQL(listed_sql(kind), [text])  # noqa: S611 - one of our own words


def listed_sql(kind: str = "bigint") -> str:
    """The query of the values of such a text, which is its one parameter."""
    if connection.vendor == "postgresql":
        return f"SELECT unnest(%s::{kind}[])"
    return "SELECT value FROM json_each(%s)"


def as_list(values: Collection[int] | Collection[str]) -> str:
    """Values as the one parameter that `listed_sql` reads."""
    if connection.vendor == "postgresql":
        return "{" + ",".join([element(value) for value in values]) + "}"
    return orjson.dumps(list(values)).decode()


def _field(model: type[models.Model], name: str) -> Field[Any, Any]:
    field = model._meta.get_field(name)  # noqa: SLF001
    if not isinstance(field, Field):
        raise TypeError(f"{name} of {model.__name__} has no column.")
    return field


def _pk(model: type[models.Model]) -> Field[Any, Any]:
    field = model._meta.pk  # noqa: SLF001
    if field is None:
        raise TypeError(f"{model.__name__} has no primary key.")
    return field
