"""Bodies on their way in: streamed to a file, never held in memory."""

from __future__ import annotations

import hashlib
import io
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings

from hub.xet.codec.shards import SHARD_MAX
from hub.xet.codec.xorbs import Read
from hub.xet.errors import InvalidShard

TEMPORARY_PREFIX = "xet-"
COPY_BYTES = 1024 * 1024
BLOCK_BYTES = 1024 * 1024


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """A file under the hub's own folder, so that a store on the same disk can take it by a rename."""
    folder = Path(settings.TEMP_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX, delete=False) as file:
        try:
            yield file
        finally:
            with suppress(FileNotFoundError):
                Path(file.name).unlink()


class _Source(io.RawIOBase):
    """A `read(n)` as Python's buffered reader wants it."""

    def __init__(self, read: Read) -> None:
        self._source = read

    def readable(self) -> bool:
        return True

    def readinto(self, view: memoryview) -> int:  # type: ignore[override]
        data = self._source(len(view))
        view[: len(data)] = data
        return len(data)


def exactly(read: Read) -> Read:
    """A reader that gives fewer bytes than asked for only at the end; sockets give what they have.

    It asks the source for large blocks. A xorb is read in thousands of small pieces, and for each of them
    the web server would copy all that it has received ahead.
    """
    return io.BufferedReader(_Source(read), BLOCK_BYTES).read


def spool_shard(read: Read, file: IO[bytes]) -> tuple[memoryview, str]:
    """Write a shard to a file. Returns its bytes, mapped, and their SHA-256.

    Raises InvalidShard when there are none or too many.
    """
    digest = hashlib.sha256()
    size = 0
    while data := read(COPY_BYTES):
        size += len(data)
        if size > SHARD_MAX:
            raise InvalidShard(reason=f"It has more than {SHARD_MAX} bytes.")
        digest.update(data)
        file.write(data)
    if not size:
        raise InvalidShard(reason="It is empty.")
    file.flush()
    # The map lives as long as a part of the shard is in use.
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)), digest.hexdigest()
