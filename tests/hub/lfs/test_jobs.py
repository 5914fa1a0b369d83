from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from hub.blobstore import get_store
from hub.lfs import jobs, links
from hub.lfs.models import LfsLink, LfsObject, LfsUpload
from hub.repos.locking import lock_repository
from tests.factories import hub as factories
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import negotiate, oid_of, send

pytestmark = pytest.mark.django_db

DATA = b"weights"
LATER = NOW + timedelta(hours=49)


def push(repository_id: int, data: bytes) -> None:
    with transaction.atomic():
        links.link(lock_repository(repository_id), [oid_of(data)], NOW)


class TestCollect:
    def test_keeps_what_a_commit_names(self) -> None:
        repository = factories.repository(factories.actor())
        send(repository, DATA)
        push(repository.pk, DATA)
        jobs.collect(now=LATER)
        assert LfsObject.objects.filter(links__repository=repository).exists()

    def test_keeps_what_was_just_sent(self) -> None:
        send(factories.repository(factories.actor()), DATA)
        jobs.collect(now=NOW + timedelta(hours=1))
        assert LfsLink.objects.exists()

    def test_removes_what_was_sent_and_never_committed(self) -> None:
        repository = factories.repository(factories.actor())
        stored = send(repository, DATA)
        counts = jobs.collect(now=LATER)
        assert (counts["links"], counts["objects"]) == (1, 1)
        assert not LfsObject.objects.exists()
        assert not get_store().exists(stored.blob_key)
        repository.refresh_from_db()
        assert repository.size_bytes == 0

    def test_removes_what_a_purged_repository_left(self) -> None:
        repository = factories.repository(factories.actor())
        stored = send(repository, DATA)
        push(repository.pk, DATA)
        repository.delete()
        jobs.collect(now=LATER)
        assert not get_store().exists(stored.blob_key)

    def test_may_run_twice(self) -> None:
        send(factories.repository(factories.actor()), DATA)
        jobs.collect(now=LATER)
        counts = {"uploads": 0, "links": 0, "objects": 0, "blobs": 0, "temporary": 0}
        assert jobs.collect(now=LATER) == counts

    def test_does_not_remove_bytes_that_came_again_after_the_row_was_doomed(self) -> None:
        repository = factories.repository(factories.actor())
        old = send(repository, DATA)
        old_key = old.blob_key
        with transaction.atomic():
            links.unlink(lock_repository(repository.pk), [old.oid])
        LfsObject.objects.all().delete()  # the collector's first half
        new = send(repository, DATA)
        get_store().delete(old_key)  # its second half
        assert get_store().read(new.blob_key) == DATA

    def test_forgets_abandoned_uploads(self, settings: Settings) -> None:
        settings.LFS_PARTS_ABOVE_BYTES = 0
        alice = factories.actor()
        [slot] = negotiate(alice, factories.repository(alice), DATA, in_parts=True)
        assert slot.upload is not None
        jobs.collect(now=NOW + timedelta(hours=1))
        assert LfsUpload.objects.exists()
        assert jobs.collect(now=LATER)["uploads"] == 1
        assert not LfsUpload.objects.exists()

    def test_removes_stray_bytes_that_no_row_names(self, tmp_path: Path) -> None:
        get_store().put_stream("lfs/aa/bb/stray", [b"x"])
        path = get_store().local_path("lfs/aa/bb/stray")
        assert path is not None
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        assert jobs.collect(now=LATER)["blobs"] == 1
        assert not path.exists()

    def test_removes_what_a_killed_process_left_in_the_temporary_folder(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        settings.TEMP_ROOT = tmp_path
        old, new = tmp_path / "lfs-old", tmp_path / "lfs-new"
        pipes = tmp_path / "push-old"
        pipes.mkdir()
        for path in (old, new, pipes / "ask"):
            path.write_bytes(DATA)
        for path in (old, pipes):
            os.utime(path, times=(NOW.timestamp(), NOW.timestamp()))
        os.utime(new, times=(LATER.timestamp(), LATER.timestamp()))
        assert jobs.drop_unfinished(now=LATER) == 2
        assert list(tmp_path.iterdir()) == [new]
