"""Look-ups whose SQL is composed once.

Django composes a query anew each time it is asked: for a look-up by key with two joins that takes
several times as long as the database needs to answer it. The few look-ups that stand in the way of
every request are prepared here instead (docs/performance.md has the figures).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import connections, models
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)


class Prepared(Generic[M]):
    """A query with holes. `build(**examples)` gives the queryset; each example marks its hole.

    Examples are strings or whole numbers that occur nowhere else in the query, and values given later
    must have the same type: they go to the database as they are, without the field's conversion.
    """

    def __init__(self, build: Callable[..., models.QuerySet[M]], **examples: str | int) -> None:
        self.build, self.examples = build, examples
        self._plans: dict[str, _Plan] = {}
        self._lock = threading.Lock()

    def first(self, *, using: str = "default", **values: str | int) -> M | None:
        """The first row for these values, with what the queryset's `select_related` names, or None."""
        connection = connections[using]
        plan = self._plans.get(connection.vendor)
        if plan is None:
            with self._lock:
                plan = self._plans[connection.vendor] = _Plan(
                    self.build(**self.examples), self.examples, using
                )
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, plan.fill(values))
            row = cursor.fetchone()
        return None if row is None else plan.instance(row)


class _Plan:
    """The SQL of one query on one kind of database, and how its rows become objects."""

    def __init__(self, queryset: models.QuerySet[Any], examples: dict[str, str | int], using: str) -> None:
        compiler = queryset.using(using)[:1].query.get_compiler(using)
        self.using = using
        self.sql, params = compiler.as_sql()
        names = {value: name for name, value in examples.items()}
        self.params = [(names.get(param), param) for param in params]
        if {name for name, _ in self.params if name} != set(examples):
            raise ValueError("every example must be found in the query")
        info = compiler.klass_info
        assert info is not None
        start, end = info["select_fields"][0], info["select_fields"][-1] + 1
        self.span = slice(start, end)
        self.names = [field[0].target.attname for field in compiler.select[start:end]]
        self.model = info["model"]
        self.populators = get_related_populators(info, compiler.select, using)  # type: ignore[call-arg]
        self.converters = compiler.get_converters([field[0] for field in compiler.select])
        self.apply_converters = compiler.apply_converters

    def fill(self, values: dict[str, str | int]) -> list[Any]:
        return [values[name] if name else constant for name, constant in self.params]

    def instance(self, row: tuple[Any, ...]) -> Any:
        if self.converters:
            (row,) = self.apply_converters([row], self.converters)
        made = self.model.from_db(self.using, self.names, row[self.span])
        for populator in self.populators:
            populator.populate(row, made)
        return made
