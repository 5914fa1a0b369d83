from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

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

    def test_refuses_when_the_operating_system_says_so(self, tmp_path: Path) -> None:
        store = LocalBlobStore(tmp_path)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            with pytest.raises(StorageFull):
                store.put_stream("lfs/aa/x", [bytes(100_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not store.exists("lfs/aa/x")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestAnotherFileSystem:
    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")  # noqa: S108
    def test_copies_a_file_it_cannot_rename(self, tmp_path: Path) -> None:
        source = Path(f"/dev/shm/bazaar-test-{os.getpid()}")  # noqa: S108
        source.write_bytes(b"far away")
        LocalBlobStore(tmp_path).put_file("lfs/aa/x", source)
        assert LocalBlobStore(tmp_path).read("lfs/aa/x") == b"far away"
        assert not source.exists()
