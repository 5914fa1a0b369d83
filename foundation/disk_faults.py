"""Errors of a disk that takes no writes, as the operating system, git and the databases report them."""

from __future__ import annotations

import errno
import os
from enum import Enum


class DiskFault(Enum):
    FULL = "full"
    READ_ONLY = "read_only"


_BY_ERRNO = {
    errno.ENOSPC: DiskFault.FULL,
    errno.EDQUOT: DiskFault.FULL,
    errno.EROFS: DiskFault.READ_ONLY,
}
# SQLSTATE of PostgreSQL → what it means.
_BY_SQLSTATE = {"53100": DiskFault.FULL, "25006": DiskFault.READ_ONLY}
# The beginning of the name of SQLite's result code → what it means.
_BY_SQLITE_NAME = {"SQLITE_FULL": DiskFault.FULL, "SQLITE_READONLY": DiskFault.READ_ONLY}


def fault_of(error: BaseException) -> DiskFault | None:
    """The fault that an error comes from, or None if it comes from none.

    Django's errors have the driver's error as their cause. libgit2's have no number, only its text.
    """
    for each in (error, error.__cause__):
        if isinstance(each, OSError):
            texts = ((number, os.strerror(number)) for number in _BY_ERRNO)
            number = each.errno or next((number for number, text in texts if text in str(each)), 0)
            return _BY_ERRNO.get(number)
        name = getattr(each, "sqlite_errorname", None) or ""
        found = _BY_SQLSTATE.get(getattr(each, "sqlstate", None) or "") or next(
            (fault for begin, fault in _BY_SQLITE_NAME.items() if name.startswith(begin)), None
        )
        if found:
            return found
    return None
