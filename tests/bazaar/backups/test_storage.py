"""An archive gives back what it stores, stores it once, and names what is damaged."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import CHUNK_BYTES, FORMAT, Archive, Manifest, Writer
from bazaar.backups.verifying import problems_of_backup
from hub.blobstore import LocalBlobStore

KEY = "a key that is long enough for this, surely"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def manifest_of(writer: Writer, *, at: datetime = NOON, format_: int = FORMAT) -> Manifest:
    writer.finish()
    return Manifest(format_, "1.0", "sqlite", at, at, {}, [], writer.files, writer.places, writer.segments)


@pytest.fixture(params=["", KEY], ids=["plain", "sealed"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return Archive(LocalBlobStore(tmp_path), Sealer(request.param))


def fresh(archive: Archive) -> Archive:
    """The same place, read by another process."""
    return Archive(archive.store, archive.sealer)


def stored_files(archive: Archive) -> list[Path]:
    assert isinstance(archive.store, LocalBlobStore)
    return sorted(path for path in archive.store.root.rglob("*") if path.is_file())


class TestArchive:
    def test_gives_back_what_was_stored(self, archive: Archive) -> None:
        large = random.Random(1).randbytes(2 * CHUNK_BYTES + 17)
        writer = Writer(archive, None)
        writer.add("large", [large[:5], large[5:]])
        writer.add("small", [b"words"])
        writer.add("nothing", [])
        name = archive.write_manifest(manifest_of(writer))
        again = fresh(archive)
        manifest = again.manifest(again.find(""))
        assert again.names() == [name]
        contents = {file.path: b"".join(again.read(manifest, file)) for file in manifest.files}
        assert contents == {"large": large, "small": b"words", "nothing": b""}

    def test_stores_no_content_twice(self, archive: Archive) -> None:
        block = random.Random(2).randbytes(CHUNK_BYTES)
        first = Writer(archive, None)
        first.add("a", [block], stamp="1")
        first.add("copy of a", [block])
        before = manifest_of(first)
        second = Writer(archive, before)
        assert second.has("a", CHUNK_BYTES, "1")
        assert not second.has("a", CHUNK_BYTES, "2")
        second.add("b", [block, b"and more"])
        after = manifest_of(second)
        assert (first.written_bytes, second.written_bytes) == (CHUNK_BYTES, len(b"and more"))
        assert [b"".join(archive.read(after, file)) for file in after.files] == [block, block + b"and more"]

    def test_finds_a_backup_by_the_beginning_of_its_name(self, archive: Archive) -> None:
        names = []
        for day in (1, 2):
            writer = Writer(archive, None)
            writer.add("day", [str(day).encode()])
            names.append(archive.write_manifest(manifest_of(writer, at=NOON.replace(day=day))))
        assert archive.find("") == names[1]
        assert archive.find("20260501T12") == names[0]
        for wrong in ("2026", "2031"):
            with pytest.raises(BackupFailed):
                archive.find(wrong)

    def test_sorts_backups_of_one_second_by_their_beginning(self, archive: Archive) -> None:
        names = []
        for number in range(8):
            writer = Writer(archive, None)
            writer.add("number", [str(number).encode()])
            at = NOON.replace(microsecond=number * 100_001)
            names.append(archive.write_manifest(manifest_of(writer, at=at)))
        assert archive.names() == names
        assert archive.find("") == names[-1]

    def test_refuses_what_a_newer_release_wrote(self, archive: Archive) -> None:
        name = archive.write_manifest(manifest_of(Writer(archive, None), format_=FORMAT + 1))
        with pytest.raises(BackupFailed, match="newer release"):
            archive.manifest(name)


class TestDamage:
    def test_of_any_stored_file_is_named(self, archive: Archive) -> None:
        writer = Writer(archive, None)
        writer.add("words", [b"some words"])
        name = archive.write_manifest(manifest_of(writer))
        for path in stored_files(archive):
            whole = path.read_bytes()
            for wrong in (whole[:-1], whole[:5] + bytes([whole[5] ^ 1]) + whole[6:], b""):
                path.write_bytes(wrong)
                again = fresh(archive)
                if path.parent.name == "backups":
                    with pytest.raises(Damaged):
                        again.manifest(name)
                else:
                    [problem] = problems_of_backup(again, again.manifest(name))
                    assert problem.startswith("words: ")
            path.write_bytes(whole)
        assert not list(problems_of_backup(fresh(archive), fresh(archive).manifest(name)))

    def test_of_a_missing_segment_is_named(self, archive: Archive) -> None:
        writer = Writer(archive, None)
        writer.add("words", [b"some words"])
        name = archive.write_manifest(manifest_of(writer))
        next(path for path in stored_files(archive) if path.parent.name != "backups").unlink()
        [problem] = problems_of_backup(fresh(archive), archive.manifest(name))
        assert "cannot be read" in problem

    @pytest.mark.parametrize("left", [None, -1], ids=["gone", "cut off"])
    def test_of_a_segment_is_healed_by_the_next_backup(self, archive: Archive, left: int | None) -> None:
        def make(previous: Manifest | None) -> tuple[Writer, Manifest]:
            writer = Writer(archive, previous)
            for path in ("a", "b"):
                if not writer.has(path, 5, "1"):
                    writer.add(path, [f"of {path}!".encode()], stamp="1")
                writer.finish()
            return writer, manifest_of(writer)

        _, before = make(None)
        assert make(before)[0].written_bytes == 0
        lost = before.places[before.files[0].chunks[0]].segment
        [path] = [path for path in stored_files(archive) if path.name == lost]
        whole = path.read_bytes()
        path.unlink() if left is None else path.write_bytes(whole[:left])
        writer, after = make(before)
        assert writer.written_bytes == 5
        assert not list(problems_of_backup(fresh(archive), after))
        assert make(after)[0].written_bytes == 0
