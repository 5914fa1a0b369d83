"""Bodies on their way in: streamed to a file, never held in memory."""

from __future__ import annotations

import hashlib
import mmap
from typing import IO

from hub.xet.codec.shards import SHARD_MAX
from hub.xet.codec.xorbs import Read
from hub.xet.errors import InvalidShard

TEMPORARY_PREFIX = "xet-"
COPY_BYTES = 1024 * 1024


def kept(read: Read, file: IO[bytes]) -> Read:
    """A reader that writes down what it gives."""

    def reader(size: int) -> bytes:
        data = read(size)
        file.write(data)
        return data

    return reader


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
