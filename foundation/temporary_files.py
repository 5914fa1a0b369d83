"""Temporary files in TEMP_ROOT, beside the stores: a store on the same disk takes one by a rename."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from django.conf import settings


def folder() -> Path:
    """The folder of temporary files; it is made where it is missing."""
    found = Path(settings.TEMP_ROOT)
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def named(prefix: str) -> Iterator[IO[bytes]]:
    """A file with a name (`file.name`), open for reading and writing. It is removed after the block.

    To keep it, rename it within the block. `prefix` names its owner for the sweeps of left-over files.
    Raises: OSError, for a full disk for instance.
    """
    with tempfile.NamedTemporaryFile(dir=folder(), prefix=prefix, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def nameless(prefix: str) -> BinaryIO:
    """A file of which nothing is left when it is closed, or when the process ends. The caller closes it."""
    return tempfile.TemporaryFile(dir=folder(), prefix=prefix)


def spooled(memory_bytes: int) -> IO[bytes]:
    """The same, but in memory while it has at most `memory_bytes`."""
    return tempfile.SpooledTemporaryFile(memory_bytes, dir=str(folder()))
