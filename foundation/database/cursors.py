"""Prepared statements and pipeline mode for PostgreSQL; ordinary cursors on other databases.

PostgreSQL parses and plans the text of a statement at each execution unless it is prepared, and a client that
waits for each answer leaves the server idle meanwhile. The statements of the hot paths avoid both
(docs/performance.md has the figures).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections, models
from django.db.backends.utils import CursorWrapper
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
    """Inside the block, prepared cursors send statements without waiting for earlier answers (pipeline mode).

    The database works while Python prepares the next statement. Reading a result (`fetchone`, `fetchall`,
    `rowcount`) waits for everything sent so far. Every other cursor, including the ORM's, waits after each of
    its statements, and the end of the block waits for the rest. An error is raised where the code waits: at a
    later statement, or at the end. It is one of Django's database errors, and the block's transaction must
    then be rolled back. Use one cursor for each statement. On other databases the block does nothing.

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
            # psycopg ends a pipeline with a flush; after one the server does not report the session idle.
            pipeline._exit_gen = pipeline._sync_gen  # noqa: SLF001
        except BaseException:
            with suppress(connection.Database.Error):  # one error tells it all
                pipeline.sync()
            raise
        finally:
            driver.cursor_factory = plain
            del _pipelines[driver]


_pipelines: dict[psycopg.Connection[Any], psycopg.Pipeline] = {}
"""Open pipelines by connection. A connection belongs to one thread, so no lock is needed."""


@cache
def _kept_cursor() -> type:
    from django.db.backends.postgresql import base  # its driver may not be there at all

    plain: Any = base.ServerBindingCursor

    class KeptCursor(plain):  # type: ignore[misc]
        """Sends integers as text: psycopg types them by size, and each type would need its own statement."""

        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            if params is not None:
                params = [str(param) if type(param) is int else param for param in params]
            super().execute(query, params, **kwargs)
            if (pipeline := _pipelines.get(self.connection)) is not None:
                # Without a sync after it the server never considers the session idle, so
                # idle_in_transaction_session_timeout would never free the locks of a stopped worker.
                pipeline.pgconn.pipeline_sync()
                pipeline.result_queue.append(None)
            return self

        # Reads sync here. psycopg would only flush, and the server would not consider the session idle.

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
    """The cursor class for code in a pipelined block that does not know of it: each statement waits."""

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
    """Wait for all outstanding answers, if the connection is in pipeline mode."""
    if (pipeline := _pipelines.get(driver)) is not None:
        pipeline.sync()
