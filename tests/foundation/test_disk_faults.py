from __future__ import annotations

import errno
import os
import sqlite3

import pytest
from django.db import OperationalError

from foundation.disk_faults import DiskFault, fault_of
from foundation.errors import DiskFull, ReadOnly, refusal_of


def of_driver(name: str, value: str) -> OperationalError:
    """An error as Django raises it: the driver's is its cause."""
    cause = sqlite3.OperationalError("text")
    setattr(cause, name, value)
    error = OperationalError("text")
    error.__cause__ = cause
    return error


class TestFaultOf:
    @pytest.mark.parametrize(
        ("error", "fault"),
        [
            (OSError(errno.ENOSPC, "full"), DiskFault.FULL),
            (OSError(errno.EDQUOT, "full"), DiskFault.FULL),
            (OSError(errno.EROFS, "read only"), DiskFault.READ_ONLY),
            # libgit2's error, by pygit2.
            (OSError(f"failed to write chunk: {os.strerror(errno.ENOSPC)}"), DiskFault.FULL),
            (of_driver("sqlite_errorname", "SQLITE_FULL"), DiskFault.FULL),
            (of_driver("sqlite_errorname", "SQLITE_READONLY_DIRECTORY"), DiskFault.READ_ONLY),
            (of_driver("sqlstate", "53100"), DiskFault.FULL),
            (of_driver("sqlstate", "25006"), DiskFault.READ_ONLY),
            (of_driver("sqlite_errorname", "SQLITE_BUSY"), None),
            (OSError(errno.ECONNRESET, "reset"), None),
            (ValueError("No space left on device"), None),
        ],
    )
    def test_knows_the_words_of_each_part(self, error: Exception, fault: DiskFault | None) -> None:
        assert fault_of(error) is fault


class TestRefusalOf:
    def test_is_a_refusal_that_may_be_tried_again(self) -> None:
        assert isinstance(refusal_of(OSError(errno.ENOSPC, "full")), DiskFull)
        assert isinstance(refusal_of(OSError(errno.EROFS, "read only")), ReadOnly)
        assert refusal_of(OSError(errno.EPERM, "no")) is None
