"""Blobs of a commit: many cost a few syncs, and a writer that fails leaves nothing to read."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
from pathlib import Path

import pygit2
import pytest

from hub.gitstore import packs
from hub.gitstore.blobs import LOOSE_MAX, BlobWriter

MANY = 500


@pytest.fixture
def raw(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "some.git"), bare=True)


def contents(count: int = MANY) -> list[bytes]:
    return [b"content of file %d\n" % number * (number % 7) for number in range(1, count + 1)]


def write(raw: pygit2.Repository, files: list[bytes]) -> list[str]:
    with BlobWriter(raw) as writer:
        return [writer.add(data) for data in files]


def packs_of(raw: pygit2.Repository) -> list[str]:
    return sorted(path.suffix for path in (Path(raw.path) / "objects/pack").iterdir())


class TestBlobs:
    def test_are_those_of_git(self, raw: pygit2.Repository) -> None:
        files = contents()
        oids = write(raw, files)
        assert oids == [str(pygit2.hash(data)) for data in files]
        # libgit2 and git both read them.
        assert [raw[oid].data for oid in oids] == files  # type: ignore[attr-defined]
        command = ["git", "--git-dir", raw.path, "fsck", "--strict", "--no-dangling"]
        subprocess.run(command, check=True, capture_output=True)

    @pytest.mark.parametrize("count", [0, 1, LOOSE_MAX])
    def test_stay_loose_where_they_are_few(self, raw: pygit2.Repository, count: int) -> None:
        write(raw, [b"%d" % number for number in range(count)])
        assert packs_of(raw) == []
        assert len(list((Path(raw.path) / "objects").glob("??/*"))) == count

    def test_are_there_at_once_without_a_context(self, raw: pygit2.Repository) -> None:
        writer = BlobWriter(raw)
        for number in range(LOOSE_MAX + 3):
            assert writer.add(b"%d" % number) in raw
        assert packs_of(raw) == []

    def test_become_one_pack_where_they_are_many(self, raw: pygit2.Repository) -> None:
        write(raw, [b"%d" % number for number in range(MANY)])
        assert packs_of(raw) == [".idx", ".pack"]
        assert len(list((Path(raw.path) / "objects").glob("??/*"))) == LOOSE_MAX

    def test_are_on_the_disk_after_a_few_syncs(
        self, raw: pygit2.Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The pack, its index and their folder, in this order: an index needs its pack."""
        synced: list[str] = []
        original = os.fsync

        def sync(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
            original(descriptor)

        monkeypatch.setattr(os, "fsync", sync)
        write(raw, [b"%d" % number for number in range(MANY)])
        assert synced == [".pack", ".idx", ""]

    def test_of_equal_content_are_one(self, raw: pygit2.Repository) -> None:
        oids = write(raw, [*contents(), *contents()])
        assert oids[:MANY] == oids[MANY:]
        assert {raw[oid].type_str for oid in oids} == {"blob"}

    def test_begin_a_further_pack_where_one_is_full(
        self, raw: pygit2.Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packs, "PACK_BYTES_MAX", 2000)
        files = [os.urandom(200) for _ in range(LOOSE_MAX + 40)]
        oids = write(raw, files)
        assert packs_of(raw).count(".pack") == 4
        assert [raw[oid].data for oid in oids] == files  # type: ignore[attr-defined]

    def test_need_memory_for_their_ids_alone(self, raw: pygit2.Repository) -> None:
        """A writer of 100 blobs of 1 MiB uses less memory than one of them."""
        piece = os.urandom(1 << 20)
        with BlobWriter(raw) as writer:
            for number in range(LOOSE_MAX + 1):
                writer.add(b"%d" % number)
            tracemalloc.start()
            try:
                for number in range(20):
                    writer.add(piece[number:])
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert held < 1 << 19


class TestAnError:
    def test_leaves_no_pack(self, raw: pygit2.Repository) -> None:
        with pytest.raises(RuntimeError), BlobWriter(raw) as writer:
            for data in contents():
                writer.add(data)
            raise RuntimeError
        assert packs_of(raw) == []

    def test_of_the_disk_leaves_no_pack(
        self, raw: pygit2.Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write(raw, contents())
        assert packs_of(raw) == []
