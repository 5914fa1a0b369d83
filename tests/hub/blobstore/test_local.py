from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pytest

from hub.blobstore import LocalBlobStore, StorageFull


class TestFullDisk:
    def test_refuses_and_keeps_nothing_when_a_write_finds_no_room(self, tmp_path: Path) -> None:
        store = LocalBlobStore(tmp_path)

        def filling() -> Iterator[bytes]:
            yield b"half"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(StorageFull):
            store.put_stream("lfs/aa/x", filling())
        assert not store.exists("lfs/aa/x")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_refuses_when_the_file_system_says_so(self, tmp_path: Path) -> None:
        store = LocalBlobStore(tmp_path)
        store._temporary.mkdir()

        class Full(LocalBlobStore):
            def _writing(self, target: Path) -> AbstractContextManager[BinaryIO]:
                return Path("/dev/full").open("wb", buffering=0)

        with pytest.raises(StorageFull):
            Full(tmp_path).put_stream("lfs/aa/x", [b"data"])
        assert not store.exists("lfs/aa/x")


class TestAnotherFileSystem:
    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")  # noqa: S108
    def test_copies_a_file_it_cannot_rename(self, tmp_path: Path) -> None:
        source = Path(f"/dev/shm/bazaar-test-{os.getpid()}")  # noqa: S108
        source.write_bytes(b"far away")
        LocalBlobStore(tmp_path).put_file("lfs/aa/x", source)
        assert LocalBlobStore(tmp_path).read("lfs/aa/x") == b"far away"
        assert not source.exists()
