"""A prune removes what no backup needs, and nothing that one needs or that is being made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from bazaar.backups import marks, pruning
from bazaar.backups.errors import BackupFailed
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import FORMAT, Archive, Manifest, Writer
from bazaar.backups.verifying import problems_of_backup
from bazaar.management.commands import backup as command
from hub.blobstore import Blob, LocalBlobStore
from tests import clock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(LocalBlobStore(tmp_path), Sealer(""))


def back_up(archive: Archive, day: int, *contents: str) -> str:
    """A backup of some files, each in a segment of its own; what the newest backup has is taken over."""
    names = archive.names()
    writer = Writer(archive, archive.manifest(names[-1]) if names else None)
    for content in contents:
        writer.add(content, [content.encode()])
        writer.finish()
    at = NOON.replace(day=day)
    made = Manifest(FORMAT, "1.0", "sqlite", at, at, {}, [], writer.files, writer.places, writer.segments)
    return archive.write_manifest(made)


def prune(archive: Archive, *, keep: int = 0, days: int = 0, now: datetime | None = None) -> pruning.Pruned:
    return pruning.prune(archive, keep=keep, days=days, now=now or clock.file_moment())


def require_whole(archive: Archive) -> None:
    fresh = Archive(archive.store, archive.sealer)
    for name in fresh.names():
        assert not list(problems_of_backup(fresh, fresh.manifest(name)))


class TestPrune:
    def test_removes_the_oldest_and_the_content_that_they_alone_need(self, archive: Archive) -> None:
        first = back_up(archive, 1, "in all", "old")
        second = back_up(archive, 2, "in all", "later")
        third = back_up(archive, 3, "in all", "later", "new")
        pruned = prune(archive, keep=2)
        assert (pruned.removed, pruned.kept) == ([first], [second, third])
        assert pruned.freed_bytes == len("old")
        assert len(archive.segments()) == 3
        require_whole(archive)
        assert prune(archive, keep=2).freed_bytes == 0

    def test_keeps_what_is_young_or_among_the_newest(self, archive: Archive) -> None:
        names = [back_up(archive, day, f"of day {day}") for day in (1, 2, 3, 4)]
        now = NOON.replace(day=4) + timedelta(hours=1)
        assert prune(archive, days=2, keep=1, now=now).kept == names[2:]
        assert prune(archive, days=1, keep=2, now=now).kept == names[2:]
        assert prune(archive, days=1, now=now + timedelta(days=99)).kept == names[3:]
        require_whole(archive)

    def test_removes_what_a_killed_backup_or_prune_left(self, archive: Archive) -> None:
        name = back_up(archive, 1, "kept")
        archive.write_segment(b"of a backup that was killed")
        assert prune(archive, keep=5).freed_bytes == len("of a backup that was killed")
        assert archive.names() == [name]
        require_whole(archive)

    def test_removes_nothing_when_one_that_stays_cannot_be_read(self, archive: Archive) -> None:
        back_up(archive, 1, "old")
        damaged = back_up(archive, 2, "new")
        before = (archive.names(), archive.segments())
        archive.store.put_stream(f"backups/{damaged}", [b"no manifest"])
        with pytest.raises(BackupFailed, match="nothing was removed"):
            prune(archive, keep=1)
        assert (archive.names(), archive.segments()) == before

    def test_renews_its_mark_while_it_lists_content(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        back_up(archive, 1, *map(str, range(9)))
        back_up(archive, 2, "new")
        now, listed = 0.0, archive.store.list

        def slowly(prefix: str) -> Iterator[Blob]:
            nonlocal now
            for blob in listed(prefix):
                now += 15.0 if prefix == "segments" else 0.0
                yield blob

        monkeypatch.setattr(archive.store, "list", slowly)
        monkeypatch.setattr(marks, "time", SimpleNamespace(monotonic=lambda: now))
        assert prune(archive, keep=1).freed_bytes == 9
        assert now > marks.PRUNE_LIVES_SECONDS


class TestBesideABackup:
    def test_content_waits_until_it_has_ended(self, archive: Archive) -> None:
        first = back_up(archive, 1, "taken over", "not needed")
        second = back_up(archive, 2, "other")
        with marks.creating(archive.store):
            # It began when the first was the newest, takes content over from it, and is not in the list yet.
            writer = Writer(archive, archive.manifest(first))
            writer.add("taken over", [b"taken over"])
            writer.add("fresh", [b"fresh"])
            writer.finish()
            assert prune(archive, keep=1).waits
            assert archive.names() == [second]
            at = NOON.replace(day=3)
            archive.write_manifest(
                Manifest(FORMAT, "1", "sqlite", at, at, {}, [], writer.files, writer.places, writer.segments)
            )
        pruned = prune(archive, keep=9)
        assert not pruned.waits
        assert len(pruned.kept) == 2
        assert pruned.freed_bytes == len("not needed")
        require_whole(archive)

    def test_that_was_killed_content_waits_for_an_hour(self, archive: Archive) -> None:
        archive.write_segment(b"of a backup that was killed")
        archive.store.put_stream(f"{marks.CREATE}-1", [b"0"])
        assert prune(archive, keep=1).waits
        pruned = prune(archive, keep=1, now=clock.file_moment() + marks.CREATE_LIVES + timedelta(minutes=1))
        assert (pruned.waits, pruned.freed_bytes > 0) == (False, True)

    def test_which_waits_for_a_prune_that_began_before(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marks, "LOOK_SECONDS", 0.01)
        began = threading.Event()

        def create() -> None:
            with marks.creating(archive.store):
                began.set()

        thread = threading.Thread(target=create)
        with marks.pruning(archive.store):
            thread.start()
            # Its mark is there, so the prune would see it; it does nothing else meanwhile.
            while not marks.creates(archive.store, clock.file_moment()):
                assert thread.is_alive()
            assert not began.is_set()
        thread.join()
        assert began.is_set()

    def test_does_not_wait_for_a_prune_that_was_killed(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marks, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(marks, "PRUNE_LIVES_SECONDS", 0.1)
        archive.store.put_stream(f"{marks.PRUNE}-1", [b"0"])
        with marks.creating(archive.store):
            pass
        assert not marks.creates(archive.store, clock.file_moment())

    def test_that_may_have_begun_ends_a_prune_that_hung(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marks, "PRUNE_STOPS_SECONDS", -1.0)
        archive.write_segment(b"of nobody")
        with pytest.raises(BackupFailed, match="Prune again"):
            prune(archive, keep=1)
        assert archive.segments()
        assert not list(archive.store.list("marks"))


class TestCommand:
    def test_shows_sizes_and_prunes(
        self, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = back_up(archive, 1, "in all", "old")
        back_up(archive, 2, "in all")
        call_command("backup", "list", place=str(tmp_path))
        listed = capsys.readouterr().out.replace("\xa0", " ").splitlines()
        assert listed[0].endswith("\t3 bytes for it alone")
        assert listed[2] == "2 backups; 9 bytes are stored."
        call_command("backup", "prune", "--keep=1", place=str(tmp_path))
        said = capsys.readouterr().out.replace("\xa0", " ")
        assert said == f"Removed {first}.\n1 backups stay; 3 bytes are free again.\n"
        with pytest.raises(CommandError, match="--keep"):
            call_command("backup", "prune", place=str(tmp_path))

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["create", "--to", "/srv"], "unrecognized arguments: --to /srv"),
            (["prune", "--keep", "0"], "'0' is not a whole number"),
            (["erase"], "'erase'"),
            ([], "arguments are required: create|verify|list|restore|prune"),
        ],
    )
    def test_says_in_one_line_what_is_wrong_with_its_arguments(
        self, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            command.Command().run_from_argv(["manage.py", "backup", *words])
        assert ended.value.code == 2
        [line] = capsys.readouterr().err.splitlines()
        assert problem in line
        assert line.endswith("--help")

    @pytest.mark.parametrize("act", command.ACTS)
    def test_takes_the_place_in_one_spelling_for_all_acts(self, act: str) -> None:
        parser = command.Command().create_parser("manage.py", "backup")
        assert parser.parse_args([act, "--place", "/srv/backups"]).place == "/srv/backups"
