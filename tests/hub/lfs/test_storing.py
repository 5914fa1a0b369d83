from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import pytest

from hub.lfs import storing
from hub.lfs.errors import HashMismatch

# Longer than what may wait to be hashed.
CONTENT = bytes(range(256)) * (4 * storing.CHUNK_BYTES // 256 * storing.CHUNKS_BEHIND_MAX) + b"end"
OID = hashlib.sha256(CONTENT).hexdigest()


def hashing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sha256")]


class TestReceive:
    def test_writes_and_hashes_what_comes_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "object"
        storing.receive(io.BytesIO(CONTENT).read, path, oid=OID, size_bytes=len(CONTENT))
        assert path.read_bytes() == CONTENT
        assert hashing_threads() == []

    @pytest.mark.parametrize("at", [0, len(CONTENT) // 2, len(CONTENT) - 1])
    def test_refuses_one_other_byte(self, tmp_path: Path, at: int) -> None:
        changed = bytearray(CONTENT)
        changed[at] ^= 1
        with pytest.raises(HashMismatch):
            storing.receive(io.BytesIO(changed).read, tmp_path / "object", oid=OID, size_bytes=len(CONTENT))

    def test_leaves_no_thread_when_the_client_goes_away(self, tmp_path: Path) -> None:
        source = io.BytesIO(CONTENT)

        def read(size: int) -> bytes:
            if source.tell() > len(CONTENT) // 2:
                raise ConnectionResetError
            return source.read(size)

        with pytest.raises(ConnectionResetError):
            storing.receive(read, tmp_path / "object", oid=OID, size_bytes=len(CONTENT))
        assert hashing_threads() == []
