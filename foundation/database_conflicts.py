"""Database errors that another transaction caused: the data is sound, and the request may be sent again.

Such an error is no fault of the statement. Somebody deleted the row that a new row points at, or the
database ended one of two transactions that waited for each other.
"""

from __future__ import annotations

from enum import Enum

from django.db import DatabaseError


class DatabaseConflict(Enum):
    """What another transaction did to this one."""

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


def conflict_of(error: DatabaseError) -> DatabaseConflict | None:
    """What another transaction did, or None where the error is not of that kind.

    Django's errors have the driver's error as their cause; the driver's error has the code.
    """
    cause = error.__cause__
    return _BY_SQLSTATE.get(getattr(cause, "sqlstate", None) or "") or _BY_SQLITE_NAME.get(
        getattr(cause, "sqlite_errorname", None) or ""
    )
