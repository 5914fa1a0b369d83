from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from hub import blobstore
from hub.lfs import jobs, selectors, storing
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from hub.xet import selectors as xet
from hub.xet.models import XetFile, Xorb
from tests.factories import hub
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _folders(settings: Settings, tmp_path: Path) -> None:
    settings.BLOB_ROOT = tmp_path / "blobs"
    settings.TEMP_ROOT = tmp_path / "tmp"


@pytest.fixture
def model(db: None) -> Repository:
    return hub.repository(hub.actor())


def keep(repository: Repository, content: bytes, folder: Path) -> LfsObject:
    """As an LFS upload leaves it: one whole blob."""
    path = folder / "upload"
    path.write_bytes(content)
    oid = hashlib.sha256(content).hexdigest()
    return storing.keep_file(
        repository_id=repository.pk, path=path, oid=oid, size_bytes=len(content), now=NOW
    )


def read(stored: LfsObject) -> bytes:
    found = selectors.get_object(repository_id=stored.links.get().repository_id, oid=stored.oid)
    with selectors.open_object(found) as reader:
        return b"".join(reader)


class TestConvert:
    def test_cuts_a_file_where_clients_cut_it(self, model: Repository, tmp_path: Path) -> None:
        stored = keep(model, vectors.RANDOM_4M.content, tmp_path)
        assert jobs.convert(now=LATER) == 1
        stored.refresh_from_db()
        assert stored.xet_file is not None
        assert stored.xet_file.hash == vectors.RANDOM_4M.file
        assert [xorb.hash for xorb in Xorb.objects.all()] == [vectors.RANDOM_4M.xorb]
        assert read(stored) == vectors.RANDOM_4M.content
        assert jobs.convert(now=LATER) == 0

    def test_lets_readers_of_the_repository_fetch_it_by_xet(self, model: Repository, tmp_path: Path) -> None:
        keep(model, vectors.TEXT.content, tmp_path)
        jobs.convert(now=LATER)
        assert xet.get_file(actor=hub.actor(), repository=model, name=vectors.TEXT.file).size == 900

    def test_stores_a_second_version_as_what_changed(self, model: Repository, tmp_path: Path) -> None:
        content = random.Random(1).randbytes(20_000_000)
        keep(model, content, tmp_path)
        jobs.convert(now=LATER)
        changed = content[:9_000_000] + b"something else" + content[9_000_000:]
        second = keep(model, changed, tmp_path)
        jobs.convert(now=LATER)
        second.refresh_from_db()
        assert read(second) == changed
        [_, added] = Xorb.objects.order_by("-stored_bytes")
        assert added.stored_bytes < 1_000_000

    def test_uses_what_came_by_xet(self, model: Repository, tmp_path: Path) -> None:
        owner = hub.actor()
        uploads.send(uploads.of(vectors.RANDOM_4M.content), owner, hub.repository(owner))
        stored = keep(model, vectors.RANDOM_4M.content + b"and more", tmp_path)
        jobs.convert(now=LATER)
        stored.refresh_from_db()
        assert read(stored) == vectors.RANDOM_4M.content + b"and more"
        assert sum(Xorb.objects.values_list("raw_bytes", flat=True)) < 4_500_000

    def test_leaves_the_whole_blob_to_the_collector(self, model: Repository, tmp_path: Path) -> None:
        keep(model, vectors.TEXT.content, tmp_path)
        jobs.convert(now=LATER)
        [blob] = blobstore.get_store().list("lfs")
        jobs.collect(now=blob.modified_at + timedelta(days=3))
        assert list(blobstore.get_store().list("lfs")) == []

    def test_keeps_an_object_that_does_not_read_back_as_it_is(
        self, model: Repository, tmp_path: Path
    ) -> None:
        stored = keep(model, vectors.TEXT.content, tmp_path)
        path = blobstore.get_store().local_path(stored.blob_key)
        assert path is not None
        path.write_bytes(b"rot")
        assert jobs.convert(now=LATER) == 0
        stored.refresh_from_db()
        assert stored.blob_key
        assert not XetFile.objects.exists()


class TestStorageOf:
    def test_shows_what_chunks_save(self, model: Repository, tmp_path: Path) -> None:
        content = vectors.RANDOM_4M.content
        keep(model, content, tmp_path)
        keep(model, content * 2, tmp_path)
        whole = selectors.storage_of(repository=model)
        assert (whole.logical_bytes, whole.stored_bytes) == (3 * len(content), 3 * len(content))
        jobs.convert(now=LATER)
        chunked = selectors.storage_of(repository=model)
        assert chunked.logical_bytes == 3 * len(content)
        assert 2.8 < chunked.ratio < 3

    def test_of_an_empty_repository_is_nothing(self, model: Repository) -> None:
        assert selectors.storage_of(repository=model).ratio == 1.0
