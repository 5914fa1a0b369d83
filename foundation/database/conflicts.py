"""Database errors that another transaction caused: the data is sound, and the request may be sent again.

Such an error is no fault of the statement. Somebody deleted the row that a new row points at, the database
ended one of two transactions that waited for each other, or another row has a unique value already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from django.db import DatabaseError, IntegrityError, transaction


class DatabaseConflict(Enum):
    """Conflicts with another transaction."""

    PARENT_DELETED = "parent_deleted"  # the row that a foreign key names is gone
    INTERRUPTED = "interrupted"  # a deadlock, a serialization failure, or a lock that was not had in time


# SQLSTATE of PostgreSQL → what it means.
_BY_SQLSTATE = {
    "23503": DatabaseConflict.PARENT_DELETED,  # foreign_key_violation
    "40001": DatabaseConflict.INTERRUPTED,  # serialization_failure
    "40P01": DatabaseConflict.INTERRUPTED,  # deadlock_detected
    "55P03": DatabaseConflict.INTERRUPTED,  # lock_not_available
}
# The name of SQLite's result code → what it means.
_BY_SQLITE_NAME = {
    "SQLITE_CONSTRAINT_FOREIGNKEY": DatabaseConflict.PARENT_DELETED,
    "SQLITE_BUSY": DatabaseConflict.INTERRUPTED,
    "SQLITE_BUSY_SNAPSHOT": DatabaseConflict.INTERRUPTED,
}
_UNIQUE_VIOLATION = "23505"
_SQLITE_UNIQUE_NAMES = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"})


def conflict_of(error: DatabaseError) -> DatabaseConflict | None:
    """The kind of conflict with another transaction, or None if the error is of another kind.

    Django's errors have the driver's error as their cause; the driver's error has the code.
    """
    sqlstate, sqlite_name = _codes(error)
    return _BY_SQLSTATE.get(sqlstate) or _BY_SQLITE_NAME.get(sqlite_name)


@contextmanager
def duplicate_as(refusal: Callable[[], Exception]) -> Iterator[None]:
    """A savepoint in which a row is written that has a unique value.

    Raises: the result of `refusal()`, when another row has that value. Other errors, such as a missing value,
    are raised unchanged: "exists already" would be wrong for them.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if not _is_duplicate(error):
            raise
        raise refusal() from None


def _is_duplicate(error: IntegrityError) -> bool:
    sqlstate, sqlite_name = _codes(error)
    return sqlstate == _UNIQUE_VIOLATION or sqlite_name in _SQLITE_UNIQUE_NAMES


def _codes(error: DatabaseError) -> tuple[str, str]:
    """The driver's code: PostgreSQL's SQLSTATE, and the name of SQLite's result code; "" for the other."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or "", getattr(cause, "sqlite_errorname", None) or ""
