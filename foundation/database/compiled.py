"""Queries whose SQL Django compiles once, and that are run with other values later.

Django compiles a queryset each time it is evaluated. For a look-up by key with two joins that takes several
times as long as the database needs to answer it (docs/performance.md has the figures).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections, models
from django.db.models import signals
from django.db.models.base import ModelState

from foundation.database.cursors import prepared_cursor

M = TypeVar("M", bound=models.Model)


class CompiledQuery(Generic[M]):
    """A query with named parameters. `build(**examples)` gives the queryset for example values.

    An example is a string or an integer that occurs nowhere else in the query: its position in the compiled
    parameters is that of the parameter. Values given later must have the same type as the example. They are
    sent as they are, without the field's conversion. Annotations are set on the instances, as by a queryset.
    """

    def __init__(self, build: Callable[..., models.QuerySet[M, Any]], **examples: str | int) -> None:
        self.build, self.examples = build, examples
        self._plans: dict[tuple[str, bool], _Plan] = {}
        self._lock = threading.Lock()

    def first(self, *, using: str = "default", **values: str | int) -> M | None:
        """The first row for these values, with what the queryset's `select_related` names, or None."""
        plan = self._plan(using, is_single=True)
        with prepared_cursor(using=using) as cursor:
            cursor.execute(plan.sql, plan.fill(values))
            row = cursor.fetchone()
        return None if row is None else plan.instances([row])[0]

    def all(self, *, using: str = "default", **values: str | int) -> list[M]:
        """All rows for these values, likewise."""
        plan = self._plan(using, is_single=False)
        with prepared_cursor(using=using) as cursor:
            cursor.execute(plan.sql, plan.fill(values))
            return plan.instances(cursor.fetchall())

    def values(self, *, using: str = "default", **values: str | int) -> list[Any]:
        """The first column of all rows, of a queryset of `values_list`."""
        plan = self._plan(using, is_single=False)
        with prepared_cursor(using=using) as cursor:
            cursor.execute(plan.sql, plan.fill(values))
            return [row[0] for row in plan.converted(cursor.fetchall())]

    def _plan(self, using: str, *, is_single: bool) -> _Plan:
        key = (connections[using].vendor, is_single)
        plan = self._plans.get(key)
        if plan is None:
            with self._lock:
                queryset = self.build(**self.examples).using(using)
                plan = _Plan(queryset[:1] if is_single else queryset, self.examples, using)
                self._plans[key] = plan
        return plan


class _Plan:
    """The SQL of one query on one kind of database, and how its rows become objects."""

    def __init__(self, queryset: models.QuerySet[Any], examples: dict[str, str | int], using: str) -> None:
        compiler = queryset.query.get_compiler(using)
        self.sql, params = compiler.as_sql()
        names = {value: name for name, value in examples.items()}
        self.params = [(names.get(param), param) for param in params]
        if {name for name, _ in self.params if name} != set(examples):
            raise ValueError("every example must be found in the query")
        self.using, self.columns, self.info = using, compiler.select, compiler.klass_info
        self.annotations = compiler.annotation_col_map or {}
        self.converters = compiler.get_converters([field[0] for field in compiler.select])
        self.apply_converters = compiler.apply_converters

    def fill(self, values: dict[str, str | int]) -> list[Any]:
        return [values[name] if name else constant for name, constant in self.params]

    def converted(self, rows: list[tuple[Any, ...]]) -> Iterable[Sequence[Any]]:
        """The rows with Python's values instead of the database's."""
        return self.apply_converters(rows, self.converters) if self.converters else rows

    def instances(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """The objects of the rows."""
        return [self._instance(row) for row in self.converted(rows)]

    @cached_property
    def maker(self) -> _Maker:
        return _Maker(self.info, self.columns, self.using)

    def _instance(self, row: Sequence[Any]) -> Any:
        made = self.maker.make(row)
        for name, position in self.annotations.items():
            setattr(made, name, row[position])
        return made


class _Maker:
    """Makes the objects of one model, and of those joined to it, from the columns of a row.

    `Model.from_db` goes through the fields one by one and sends two signals, which takes several times as
    long as filling in the values. A model that has a part in this (its own `from_db` or `__init__`, a
    listener to the signals) is made by `from_db`.
    """

    def __init__(self, info: Any, select: Any, using: str) -> None:
        positions = info["select_fields"]
        self.model: type[models.Model] = info["model"]
        self.using = using
        self.span = slice(positions[0], positions[-1] + 1)
        self.names = [column[0].target.attname for column in select[self.span]]
        self.key_position = positions[0] + self.names.index(self.model._meta.pk.attname)  # noqa: SLF001
        if info.get("from_parent"):
            raise ValueError("models that inherit tables are not made from prepared queries")
        self.related = [
            (_Maker(joined, select, using), joined["local_setter"], joined["remote_setter"])
            for joined in info.get("related_klass_infos", ())
        ]
        self.is_plain = _is_plain(self.model)

    def make(self, row: Sequence[Any]) -> Any:
        made = self._filled(row[self.span]) if self.is_plain else self._from_db(row[self.span])
        for maker, set_here, set_there in self.related:
            if row[maker.key_position] is None:
                set_here(made, None)
                continue
            joined = maker.make(row)
            set_here(made, joined)
            set_there(joined, made)
        return made

    def _filled(self, values: Sequence[Any]) -> models.Model:
        made = self.model.__new__(self.model)
        held = made.__dict__
        state = held["_state"] = ModelState()
        state.adding, state.db = False, self.using
        held.update(zip(self.names, values, strict=True))
        return made

    def _from_db(self, values: Sequence[Any]) -> models.Model:
        return self.model.from_db(self.using, self.names, values)


def _is_plain(model: type[models.Model]) -> bool:
    """True if an object of the model is no more than the values of its columns."""
    own = any(getattr(model, name) is not getattr(models.Model, name) for name in ("__init__", "__setattr__"))
    from_db = getattr(model.from_db, "__func__", None) is not models.Model.from_db.__func__  # type: ignore[attr-defined]
    listened = signals.pre_init.has_listeners(model) or signals.post_init.has_listeners(model)
    return not (own or from_db or listened)
