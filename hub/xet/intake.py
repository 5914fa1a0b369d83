"""Bodies on their way in: streamed to a file, never held in memory."""

from __future__ import annotations

import hashlib
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

COPY_BYTES = 1024 * 1024


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """A file under the hub's own folder, so that a store on the same disk can take it by a rename."""
    folder = Path(settings.TEMP_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="xet-", delete=False) as file:
        try:
            yield file
        finally:
            with suppress(FileNotFoundError):
                Path(file.name).unlink()


def exactly(read: Read) -> Read:
    """A reader that gives fewer bytes than asked for only at the end; sockets give what they have."""

    def read_exactly(size: int) -> bytes:
        data = read(size)
        if len(data) == size or not data:
            return data
        parts = [data]
        left = size - len(data)
        while left and (data := read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    return read_exactly


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
