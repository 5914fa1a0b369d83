"""Statements that are composed once, look-ups made of them, and statements that do not wait for each other.

Django composes a query anew each time it is asked: for a look-up by key with two joins that takes
several times as long as the database needs to answer it. PostgreSQL in turn parses and plans every text
anew, which costs it more than a look-up by key does. The few statements that stand in the way of every
request are composed once here, and kept by the database's session (docs/performance.md has the figures).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.db import connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models import signals
from django.db.models.base import ModelState
from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    import psycopg

M = TypeVar("M", bound=models.Model)


def prepared_cursor(*, using: str = "default") -> CursorWrapper:
    """A cursor whose statements PostgreSQL parses and plans once a session, not at each execution.

    For few and constant texts that say of each parameter what it is, by a column beside it or by a cast. On
    other databases, and where `prepare_threshold` is off, it is an ordinary cursor.
    """
    connection: Any = connections[using]
    if connection.vendor != "postgresql":
        plain: CursorWrapper = connection.cursor()
        return plain
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    cursor = _kept_cursor()(connection.connection)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    wrapped: CursorWrapper = wrap(cursor)
    return wrapped


@contextmanager
def pipelined(*, using: str = "default") -> Iterator[None]:
    """Inside the block, prepared cursors send a statement without waiting for the answers of those before.

    So the database works while Python composes what comes next. Whoever reads an answer (`fetchone`,
    `fetchall`, `rowcount`) waits for everything sent so far, and so does every other cursor, the ORM's with
    them, at each statement; the end of the block waits for the rest. An error surfaces where one waits, at a
    later statement, or at the end, and is one of Django's there: let the transaction, which the block needs,
    be undone. Each statement takes a cursor of its own. On other databases the block does nothing.

    Raises: TransactionManagementError outside of a transaction.
    """
    connection: Any = connections[using]
    if not connection.in_atomic_block:
        raise TransactionManagementError("Statements are pipelined inside a transaction.")
    if connection.vendor != "postgresql" or connection.connection in _pipelines:
        yield
        return
    driver = connection.connection
    plain = driver.cursor_factory
    with connection.wrap_database_errors, driver.pipeline() as pipeline:
        _pipelines[driver] = pipeline
        driver.cursor_factory = _waiting_cursor(plain)
        try:
            yield
            if pipeline.result_queue:
                pipeline.sync()
            # Its own end asks for a flush besides, after which the server forgets that the session is idle.
            pipeline._exit_gen = pipeline._sync_gen  # noqa: SLF001
        except BaseException:
            with suppress(connection.Database.Error):  # one error tells it all
                pipeline.sync()
            raise
        finally:
            driver.cursor_factory = plain
            del _pipelines[driver]


_pipelines: dict[psycopg.Connection[Any], psycopg.Pipeline] = {}
"""The open blocks. A connection belongs to one thread, so its entry does, too."""


@cache
def _kept_cursor() -> type:
    from django.db.backends.postgresql import base  # its driver may not be there at all

    plain: Any = base.ServerBindingCursor

    class KeptCursor(plain):  # type: ignore[misc]
        """Sends whole numbers as text: typed by their size, each size would be a statement of its own."""

        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            if params is not None:
                params = [str(param) if type(param) is int else param for param in params]
            super().execute(query, params, **kwargs)
            if (pipeline := _pipelines.get(self.connection)) is not None:
                # Without a mark behind it the server would never take the session for idle, and would leave
                # a stopped worker its locks for ever (idle_in_transaction_session_timeout).
                pipeline.pgconn.pipeline_sync()
                pipeline.result_queue.append(None)
            return self

        # Who reads waits here, by a mark: the driver would ask for a flush, and the session not be idle then.

        @property
        def rowcount(self) -> int:
            self._wait()
            return int(super().rowcount)

        def fetchone(self) -> Any:
            self._wait()
            return super().fetchone()

        def fetchmany(self, size: int = 0) -> Any:
            self._wait()
            return super().fetchmany(size)

        def fetchall(self) -> Any:
            self._wait()
            return super().fetchall()

        def __iter__(self) -> Any:
            self._wait()
            return super().__iter__()

        def _wait(self) -> None:
            if self.pgresult is None:
                _wait(self.connection)

    return KeptCursor


@cache
def _waiting_cursor(plain: type) -> type:
    """A cursor of the connection's kind for use in a pipelined block by code that does not know of it."""

    class WaitingCursor(plain):  # type: ignore[misc]
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            super().execute(*args, **kwargs)
            _wait(self.connection)
            return self

        def executemany(self, *args: Any, **kwargs: Any) -> None:
            super().executemany(*args, **kwargs)
            _wait(self.connection)

    return WaitingCursor


def _wait(driver: psycopg.Connection[Any]) -> None:
    """Wait for all answers, if some are on their way."""
    if (pipeline := _pipelines.get(driver)) is not None:
        pipeline.sync()


class Prepared(Generic[M]):
    """A query with holes. `build(**examples)` gives the queryset; each example marks its hole.

    Examples are strings or whole numbers that occur nowhere else in the query, and values given later
    must have the same type: they go to the database as they are, without the field's conversion.
    Annotations are set on the object, as the queryset would.
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
        """The objects that the rows stand for."""
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
    """Whether an object of the model is no more than the values of its columns."""
    own = any(getattr(model, name) is not getattr(models.Model, name) for name in ("__init__", "__setattr__"))
    from_db = getattr(model.from_db, "__func__", None) is not models.Model.from_db.__func__  # type: ignore[attr-defined]
    listened = signals.pre_init.has_listeners(model) or signals.post_init.has_listeners(model)
    return not (own or from_db or listened)
