"""The lock of a data folder: long-running processes share it, and a restore has it alone.

A lock of the kernel (`flock`): it ends with the processes that hold it, however they end.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "processes.lock"
# Not `server.lock`, which each supervisor has alone while its processes share this one.
_shared: dict[Path, int] = {}


class InUse(Exception):
    """A process that shares the lock runs."""


def share(folder: Path) -> None:
    """Share the lock of a data folder until this process, and those forked from it, have ended.

    Raises SystemExit, with a sentence for the operator, while a restore has the folder alone. Without a file
    system that locks, or where this process may not write, it goes on without the lock and logs that.
    """
    if folder in _shared:
        return
    try:
        lock = _open(folder)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
    except BlockingIOError:
        raise SystemExit(f"A restore runs on {folder}. Start this again when it has ended.") from None
    except OSError as error:
        logging.getLogger(__name__).warning("%s cannot be locked against a restore: %s", folder, error)
        return
    _shared[folder] = lock


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have a data folder without any process that shares its lock. Raises: InUse, OSError."""
    lock = _open(folder)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse from None
        yield
    finally:
        os.close(lock)


def _open(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / FILE, os.O_CREAT | os.O_RDONLY, 0o600)
