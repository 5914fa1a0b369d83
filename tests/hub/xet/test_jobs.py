from __future__ import annotations

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from hub import blobstore
from hub.accounts.principals import Principal
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from hub.xet import checks, jobs, reconstruction, services
from hub.xet.models import Shard, XetFile, XetFileLink, Xorb
from tests.clock import file_moment
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

HELLO = uploads.of(vectors.HELLO.content)
TEXT = uploads.of(vectors.TEXT.content)
LATER = NOW + timedelta(days=29)
MUCH_LATER = LATER + timedelta(days=8)


@pytest.fixture
def unused(alice: Principal, model: Repository) -> Xorb:
    """A xorb that was sent and never named."""
    uploads.send_xorbs(HELLO, alice, model)
    return Xorb.objects.get()


def exists(xorb: Xorb) -> bool:
    return blobstore.get_store().exists(xorb.key)


class TestCollect:
    def test_keeps_an_unused_xorb_as_long_as_clients_may_name_it(self, unused: Xorb) -> None:
        assert jobs.collect(now=NOW + timedelta(days=27))["quarantined"] == 0
        assert jobs.collect(now=LATER)["quarantined"] == 1
        unused.refresh_from_db()
        assert unused.state == Xorb.State.QUARANTINED
        assert exists(unused)

    def test_deletes_it_after_quarantine(self, unused: Xorb) -> None:
        jobs.collect(now=LATER)
        assert jobs.collect(now=LATER + timedelta(days=6))["xorbs"] == 0
        assert jobs.collect(now=MUCH_LATER)["xorbs"] == 1
        assert not Xorb.objects.exists()
        assert not exists(unused)

    def test_can_be_taken_back_until_then(self, unused: Xorb) -> None:
        jobs.collect(now=LATER)
        assert jobs.restore(names=None, now=LATER) == 1
        assert jobs.collect(now=MUCH_LATER)["xorbs"] == 0
        assert exists(unused)

    def test_lets_a_shard_take_it_back(self, unused: Xorb, alice: Principal, model: Repository) -> None:
        jobs.collect(now=LATER)
        uploads.send_shard(HELLO, alice, model)
        assert jobs.collect(now=MUCH_LATER)["xorbs"] == 0
        assert b"".join(reconstruction.read(XetFile.objects.get())) == b"hello world"

    def test_goes_on_where_an_interrupted_run_stopped(self, unused: Xorb) -> None:
        Xorb.objects.update(state=Xorb.State.DELETING)
        assert jobs.collect(now=NOW)["xorbs"] == 1
        assert not exists(unused)

    def test_never_touches_what_a_file_uses(self, alice: Principal, model: Repository) -> None:
        uploads.send(HELLO, alice, model)
        for moment in (LATER, MUCH_LATER, MUCH_LATER + timedelta(days=365)):
            jobs.collect(now=moment)
        assert b"".join(reconstruction.read(XetFile.objects.get())) == b"hello world"

    def test_lets_go_of_a_file_that_no_repository_has(self, alice: Principal, model: Repository) -> None:
        uploads.send(HELLO, alice, model)
        model.delete()
        LfsObject.objects.all().delete()
        assert jobs.collect(now=NOW + timedelta(days=3))["files"] == 1
        assert not XetFile.objects.exists()
        assert jobs.collect(now=LATER)["shards"] == 0
        assert not Shard.objects.exists()
        jobs.collect(now=MUCH_LATER)
        assert not Xorb.objects.exists()

    def test_keeps_a_file_while_its_object_is_there(self, alice: Principal, model: Repository) -> None:
        uploads.send(HELLO, alice, model)
        XetFileLink.objects.all().delete()
        assert jobs.collect(now=LATER)["files"] == 0

    def test_removes_bytes_that_no_row_names(self, unused: Xorb) -> None:
        Xorb.objects.all().delete()
        [blob] = blobstore.get_store().list("xorbs")
        assert jobs.collect(now=blob.modified_at + timedelta(hours=23))["strays"] == 0
        assert jobs.collect(now=blob.modified_at + timedelta(hours=25))["strays"] == 1
        assert not exists(unused)

    def test_removes_what_a_killed_process_left(self, unused: Xorb, settings: Settings) -> None:
        left = Path(settings.TEMP_ROOT) / "xet-left"
        left.write_bytes(b"half a xorb")
        assert jobs.collect(now=file_moment())["unfinished"] == 0
        assert jobs.collect(now=file_moment() + timedelta(days=2))["unfinished"] == 1
        assert not left.exists()


class TestGcCommand:
    def run(self, *words: str) -> str:
        out = io.StringIO()
        call_command("gc", *words, stdout=out)
        return out.getvalue()

    def test_lists_what_would_go_and_why_and_changes_nothing(self, unused: Xorb, settings: Settings) -> None:
        Xorb.objects.update(last_seen_at=NOW - timedelta(days=400))
        left = Path(settings.TEMP_ROOT) / "xet-left"
        left.write_bytes(b"half a xorb")
        os.utime(left, (0, 0))
        listing = self.run("--dry-run").replace("\xa0", " ")
        assert (
            f"xorb\t{unused.pk}\t0 bytes\tno file has used its 19 bytes for 28 days; to quarantine" in listing
        )
        assert "unfinished upload\txet-left\t11 bytes\t" in listing
        assert "unfinished upload: 1, 11 bytes freed" in listing
        assert "in quarantine now: 0 xorbs" in listing
        assert "nothing was changed" in listing
        assert left.exists()
        assert Xorb.objects.get().state == Xorb.State.LIVE

    def test_quarantines_and_restores(self, unused: Xorb) -> None:
        Xorb.objects.update(last_seen_at=NOW - timedelta(days=400))
        assert "xet quarantined: 1" in self.run()
        assert "xorbs restored: 1" in self.run("--restore", unused.pk)
        assert Xorb.objects.get().state == Xorb.State.LIVE


class TestScrub:
    def test_reads_what_was_not_verified_for_long(self, unused: Xorb) -> None:
        assert jobs.scrub(now=NOW + timedelta(days=1)) == (0, [])
        later = NOW + timedelta(days=31)
        assert jobs.scrub(now=later) == (1, [])
        assert Xorb.objects.get().verified_at == later

    @pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
    def test_names_a_damaged_xorb(self, unused: Xorb, store_folder: Path, damage: str) -> None:
        path = store_folder / unused.key
        if damage == "remove":
            path.unlink()
        else:
            data = path.read_bytes()
            path.write_bytes(data[:-1] + (b"!" if damage == "flip" else b""))
        with pytest.raises(CommandError, match="1 xorbs are damaged"):
            call_command("scrub", "--all", stdout=io.StringIO())
        assert Xorb.objects.get().state == Xorb.State.DAMAGED
        [problem] = checks.no_xorb_is_damaged()
        assert unused.pk in problem.msg

    def test_takes_back_what_was_mended(self, unused: Xorb, store_folder: Path) -> None:
        path = store_folder / unused.key
        sound = path.read_bytes()
        path.write_bytes(b"rot")
        assert jobs.scrub(now=LATER, everything=True) == (1, [unused.pk])
        path.write_bytes(sound)
        assert jobs.scrub(now=LATER) == (1, [])
        assert Xorb.objects.get().state == Xorb.State.LIVE
        assert checks.no_xorb_is_damaged() == []


class TestGeneration:
    def test_counts_up(self, db: None, settings: Settings) -> None:
        assert [services.begin_generation(), services.begin_generation()] == [1, 2]
