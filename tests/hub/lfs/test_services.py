from __future__ import annotations

import io
import resource
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pytest_django.fixtures import Settings

from foundation.errors import Unauthenticated
from hub.accounts.models import AccessToken
from hub.accounts.principals import Principal
from hub.blobstore import LocalBlobStore, Part, S3BlobStore, S3Options, StorageFull, get_store
from hub.lfs import selectors, services, storing
from hub.lfs.errors import (
    HashMismatch,
    InvalidOid,
    InvalidSize,
    ObjectNotFound,
    SizeMismatch,
    TooManyObjects,
)
from hub.lfs.grants import Action
from hub.lfs.models import LfsLink, LfsObject, LfsUpload
from hub.repos.errors import (
    RepositoryArchived,
    RepositoryDenied,
    RepositoryNotFound,
    StorageQuotaExceeded,
)
from hub.repos.models import Repository
from tests.factories import hub as factories
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import grant, negotiate, oid_of, send, wanted
from tests.servers.s3 import ObjectStore, make_bucket

pytestmark = pytest.mark.django_db

DATA = b"0123456789" * 1000
PART = 4096


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def quota(settings: Settings) -> int:
    settings.DEFAULT_STORAGE_QUOTA_BYTES = 20_000
    return 20_000


class TestNegotiateUpload:
    def test_asks_for_what_is_not_stored(self) -> None:
        alice = factories.actor()
        [slot] = negotiate(alice, factories.repository(alice), DATA)
        assert not slot.is_stored
        assert slot.upload is None

    def test_passes_over_what_the_repository_has(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        send(repository, DATA)
        [slot] = negotiate(alice, repository, DATA)
        assert slot.is_stored

    def test_asks_again_for_what_only_a_strangers_private_repository_has(self) -> None:
        alice, mallory = factories.actor(), factories.actor()
        send(factories.repository(alice, visibility="private"), DATA)
        [slot] = negotiate(mallory, factories.repository(mallory), DATA)
        assert not slot.is_stored

    def test_refuses_a_size_that_is_not_the_stored_one(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        send(repository, DATA)
        [slot] = services.negotiate_upload(
            actor=alice,
            repository=repository,
            wanted=[services.NamedObject(oid_of(DATA), 1)],
            in_parts=False,
            now=NOW,
        )
        assert isinstance(slot.refusal, SizeMismatch)

    def test_is_for_users_who_may_commit_or_propose(self) -> None:
        alice, bob = factories.actor(), factories.actor()
        repository = factories.repository(alice)
        [slot] = negotiate(bob, repository, DATA)
        assert slot.refusal is None
        token = AccessToken(user=bob.user, scopes=["read"])
        with pytest.raises(RepositoryDenied):
            negotiate(Principal(user=bob.user, token=token), repository, DATA)
        with pytest.raises(Unauthenticated):
            negotiate(Principal(), repository, DATA)
        with pytest.raises(RepositoryNotFound):
            negotiate(bob, factories.repository(alice, visibility="private"), DATA)

    def test_refuses_an_archived_repository(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        repository.is_archived = True
        with pytest.raises(RepositoryArchived):
            negotiate(alice, repository, DATA)

    def test_refuses_what_the_quota_has_no_room_for_with_figures(self, quota: int) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        with pytest.raises(StorageQuotaExceeded, match="20000") as caught:
            negotiate(alice, repository, DATA, DATA * 2)
        assert caught.value.details["limit"] == quota
        assert caught.value.details["needed"] == len(DATA) * 3

    def test_refuses_a_batch_without_bounds(self) -> None:
        alice = factories.actor()
        with pytest.raises(TooManyObjects):
            negotiate(alice, factories.repository(alice), *[b"x"] * (services.BATCH_MAX + 1))

    @pytest.mark.parametrize("oid", ["", "x", "AB" * 32, "ab" * 31, None, 5, "../" + "a" * 61])
    def test_refuses_an_oid_that_is_not_one(self, oid: object) -> None:
        with pytest.raises(InvalidOid):
            services.require_wanted(oid, 1)

    @pytest.mark.parametrize("size", [-1, 10**15, None, "5", 1.5, True])
    def test_refuses_a_size_that_is_not_one(self, size: object) -> None:
        with pytest.raises(InvalidSize):
            services.require_wanted("ab" * 32, size)


class TestReceive:
    def test_keeps_bytes_that_hash_to_the_oid(self) -> None:
        repository = factories.repository(factories.actor())
        stored = send(repository, DATA)
        assert selectors.get_object(repository_id=repository.pk, oid=stored.oid) == stored
        with selectors.open_object(stored, 5, 15) as reader:
            assert b"".join(reader) == DATA[5:15]
        path = selectors.local_path(stored)
        assert path is not None
        assert path.read_bytes() == DATA
        assert files_in(Path(path).parents[4] / "tmp") == []

    def test_keeps_an_empty_object(self) -> None:
        stored = send(factories.repository(factories.actor()), b"")
        with selectors.open_object(stored) as reader:
            assert b"".join(reader) == b""

    @pytest.mark.parametrize(
        ("sent", "error"),
        [(DATA[:-1] + b"!", HashMismatch), (DATA[:-1], SizeMismatch), (DATA + b"!", SizeMismatch)],
    )
    def test_keeps_nothing_of_other_bytes(self, sent: bytes, error: type[Exception], tmp_path: Path) -> None:
        repository = factories.repository(factories.actor())
        with pytest.raises(error):
            services.receive_object(grant=grant(repository, DATA), read=io.BytesIO(sent).read, now=NOW)
        assert not LfsObject.objects.exists()
        assert files_in(tmp_path / "tmp") == []
        assert files_in(tmp_path / "blobs") == []

    def test_stops_reading_once_too_much_came(self) -> None:
        repository = factories.repository(factories.actor())
        source = io.BytesIO(DATA + bytes(50 * 1024 * 1024))
        with pytest.raises(SizeMismatch):
            services.receive_object(grant=grant(repository, DATA), read=source.read, now=NOW)
        assert source.tell() <= 2 * storing.CHUNK_BYTES

    def test_may_be_repeated_without_harm(self, tmp_path: Path) -> None:
        repository = factories.repository(factories.actor())
        assert send(repository, DATA) == send(repository, DATA)
        assert LfsLink.objects.count() == 1
        assert len(files_in(tmp_path / "blobs")) == 1
        repository.refresh_from_db()
        assert repository.size_bytes == len(DATA)

    def test_keeps_one_copy_for_two_repositories(self, tmp_path: Path) -> None:
        send(factories.repository(factories.actor()), DATA)
        send(factories.repository(factories.actor()), DATA)
        assert LfsLink.objects.count() == 2
        assert len(files_in(tmp_path / "blobs")) == 1

    def test_checks_the_quota_again(self, quota: int, tmp_path: Path) -> None:
        repository = factories.repository(factories.actor())
        send(repository, DATA)
        with pytest.raises(StorageQuotaExceeded):
            send(repository, DATA + DATA)
        assert len(files_in(tmp_path / "blobs")) == 1

    def test_refuses_a_repository_that_was_deleted_since(self) -> None:
        repository = factories.repository(factories.actor())
        Repository.objects.filter(pk=repository.pk).update(deleted_at=NOW)
        with pytest.raises(RepositoryNotFound):
            send(repository, DATA)

    def test_refuses_when_a_write_finds_no_room_and_keeps_nothing(self, tmp_path: Path) -> None:
        repository = factories.repository(factories.actor())
        source = io.BytesIO(DATA)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

        def read(size: int) -> bytes:
            # From here on the operating system lets no file grow beyond 4 KiB.
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
            return source.read(size)

        try:
            with pytest.raises(StorageFull):
                services.receive_object(grant=grant(repository, DATA), read=read, now=NOW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not LfsObject.objects.exists()
        assert files_in(tmp_path / "tmp") == []
        assert files_in(tmp_path / "blobs") == []

    def test_refuses_at_once_what_the_disk_has_no_room_for(self) -> None:
        repository = factories.repository(factories.actor())
        huge = grant(repository, DATA)
        read = pytest.fail
        with pytest.raises(StorageFull):
            services.receive_object(
                grant=replace(huge, size_bytes=10**18),
                read=read,
                now=NOW,
            )


class TestNegotiateDownload:
    def test_finds_only_what_this_repository_has(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        send(repository, DATA)
        send(factories.repository(alice), b"elsewhere")
        found = services.negotiate_download(
            actor=alice, repository=repository, wanted=[wanted(DATA), wanted(b"elsewhere")]
        )
        assert [each.stored is not None for each in found] == [True, False]

    def test_does_not_serve_an_object_of_another_repository(self) -> None:
        alice = factories.actor()
        stored = send(factories.repository(alice), DATA)
        with pytest.raises(ObjectNotFound):
            selectors.get_object(repository_id=factories.repository(alice).pk, oid=stored.oid)


class TestParts:
    @pytest.fixture(autouse=True)
    def _small_parts(self, settings: Settings) -> None:
        settings.LFS_PARTS_ABOVE_BYTES = 5000
        settings.LFS_PART_BYTES = PART

    def put(self, repository: Repository, upload: LfsUpload, number: int, data: bytes = DATA) -> Part:
        piece = data[(number - 1) * PART : number * PART]
        given = grant(repository, data, Action.SEND_PART, upload_id=upload.pk, part=number)
        return services.receive_part(grant=given, read=io.BytesIO(piece).read, now=NOW)

    def begin(self) -> tuple[Repository, LfsUpload]:
        alice = factories.actor()
        repository = factories.repository(alice)
        [slot] = negotiate(alice, repository, DATA, in_parts=True)
        assert slot.upload is not None
        return repository, slot.upload

    def test_are_offered_above_a_size_to_who_can_send_them(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        assert negotiate(alice, repository, DATA)[0].upload is None
        assert negotiate(alice, repository, DATA[:5000], in_parts=True)[0].upload is None
        slots = negotiate(alice, repository, DATA, DATA[:5000], in_parts=True)
        assert [slot.upload is not None for slot in slots] == [True, True]
        assert slots[0].upload is not None
        assert slots[0].upload.parts_count == 3

    def test_make_the_object_when_all_are_there(self, tmp_path: Path) -> None:
        repository, upload = self.begin()
        parts = [self.put(repository, upload, number) for number in (3, 1, 2)]
        done = grant(repository, DATA, Action.COMPLETE, upload_id=upload.pk)
        stored = services.complete_upload(grant=done, parts=parts, now=NOW)
        with selectors.open_object(stored) as reader:
            assert b"".join(reader) == DATA
        assert not LfsUpload.objects.exists()
        assert services.complete_upload(grant=done, parts=parts, now=NOW) == stored
        assert len(files_in(tmp_path / "blobs")) == 1

    def test_go_on_where_a_broken_upload_stopped(self) -> None:
        repository, upload = self.begin()
        first = self.put(repository, upload, 1)
        [slot] = negotiate(factories.actor(repository.namespace.name), repository, DATA, in_parts=True)
        assert slot.upload == upload
        assert get_store().list_parts(upload.staging_key, upload.store_upload_id) == [first]

    def test_belong_to_who_began_the_upload(self) -> None:
        """A reader of a public repository may propose to it, and may see its uploads."""
        repository, upload = self.begin()
        first = self.put(repository, upload, 1)
        mallory = factories.actor()
        [slot] = negotiate(mallory, repository, DATA, in_parts=True)
        assert slot.upload is not None
        assert slot.upload != upload
        services.negotiate_upload(
            actor=mallory,
            repository=repository,
            wanted=[services.NamedObject(oid_of(DATA), 2 * PART)],
            in_parts=True,
            always_in_parts=True,
            now=NOW,
        )
        assert get_store().list_parts(upload.staging_key, upload.store_upload_id) == [first]
        parts = [first, *(self.put(repository, upload, number) for number in (2, 3))]
        done = grant(repository, DATA, Action.COMPLETE, upload_id=upload.pk)
        stored = services.complete_upload(grant=done, parts=parts, now=NOW)
        assert LfsLink.objects.get(object=stored, repository=repository).proposer is None
        assert [left.user for left in LfsUpload.objects.all()] == [mallory.user]

    def test_begin_anew_when_the_store_forgot_the_upload(self) -> None:
        repository, upload = self.begin()
        get_store().abort_upload(upload.staging_key, upload.store_upload_id)
        [slot] = negotiate(factories.actor(repository.namespace.name), repository, DATA, in_parts=True)
        assert slot.upload is not None
        assert slot.upload.pk != upload.pk

    def test_of_a_wrong_size_are_refused(self) -> None:
        repository, upload = self.begin()
        given = grant(repository, DATA, Action.SEND_PART, upload_id=upload.pk, part=1)
        for sent in (b"short", bytes(PART + 1)):
            with pytest.raises(SizeMismatch):
                services.receive_part(grant=given, read=io.BytesIO(sent).read, now=NOW)

    def test_that_do_not_hash_to_the_oid_are_thrown_away(self, tmp_path: Path) -> None:
        repository, upload = self.begin()
        parts = [self.put(repository, upload, number) for number in (1, 2)]
        other = grant(repository, DATA, Action.SEND_PART, upload_id=upload.pk, part=3)
        parts.append(
            services.receive_part(grant=other, read=io.BytesIO(bytes(len(DATA) - 2 * PART)).read, now=NOW)
        )
        with pytest.raises(HashMismatch):
            services.complete_upload(
                grant=grant(repository, DATA, Action.COMPLETE, upload_id=upload.pk), parts=parts, now=NOW
            )
        assert not LfsUpload.objects.exists()
        assert not LfsObject.objects.exists()
        assert files_in(tmp_path / "blobs") == []

    def test_grow_with_the_batch_so_that_an_answer_stays_short(self, settings: Settings) -> None:
        """Each part is an address to sign: 8 KB could ask for a million of them."""
        settings.LFS_PART_BYTES = 16 * services.MIB
        alice = factories.actor()
        repository = factories.repository(alice)
        large = [services.NamedObject(f"{number:064x}", 500 * 1024**3) for number in range(100)]

        def begin(*wanted: services.NamedObject) -> list[services.UploadAnswer]:
            return services.negotiate_upload(
                actor=alice, repository=repository, wanted=wanted, in_parts=True, now=NOW
            )

        uploads = [slot.upload for slot in begin(*large)]
        assert sum(upload.parts_count for upload in uploads if upload) <= services.PARTS_ANSWERED
        [alone] = begin(services.NamedObject("f" * 64, 500 * 1024**3))
        assert alone.upload is not None
        assert alone.upload.parts_count > 9_000

    def test_of_one_answer_end_at_a_limit(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        contents = [bytes([number]) * 3 * PART for number in range(4)]
        for data in contents:
            negotiate(alice, repository, data, in_parts=True)
        monkeypatch.setattr(services, "PARTS_ANSWERED_MAX", 5)
        slots = negotiate(alice, repository, *contents, in_parts=True)
        assert [slot.refusal is None for slot in slots] == [True, True, False, False]

    def test_grow_with_the_object_so_that_ten_thousand_do(self, settings: Settings) -> None:
        settings.LFS_PART_BYTES = 16 * services.MIB
        assert services.part_bytes(10**6) == 16 * services.MIB
        size = 500 * 1024**3
        assert -(-size // services.part_bytes(size)) <= services.PARTS_MAX


class TestStraightToTheStore:
    @pytest.fixture(autouse=True)
    def _s3(self, settings: Settings, s3_store: ObjectStore) -> None:
        settings.S3 = {
            "bucket": "lfs-straight",
            "endpoint": s3_store.endpoint,
            "access_key": s3_store.access_key,
            "secret_key": s3_store.secret_key,
        }
        make_bucket(S3Options(**settings.S3))

    def test_bytes_are_checked_when_they_are_verified(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        data = b"straight " + repository.storage.encode()
        [slot] = negotiate(alice, repository, data)
        assert slot.upload is not None
        verify = grant(repository, data, Action.VERIFY, upload_id=slot.upload.pk)
        with pytest.raises(ObjectNotFound):
            services.verify_object(grant=verify, now=NOW)
        assert httpx.put(slot.url, content=data).status_code == 200
        stored = services.verify_object(grant=verify, now=NOW)
        assert services.verify_object(grant=verify, now=NOW) == stored
        url = selectors.presigned_url(stored, expires_seconds=60)
        assert url is not None
        assert httpx.get(url).content == data
        assert selectors.local_path(stored) is None

    def test_other_bytes_are_thrown_away(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        data = b"expected " + repository.storage.encode()
        [slot] = negotiate(alice, repository, data)
        assert slot.upload is not None
        httpx.put(slot.url, content=data[::-1])
        with pytest.raises(HashMismatch):
            services.verify_object(
                grant=grant(repository, data, Action.VERIFY, upload_id=slot.upload.pk), now=NOW
            )
        assert not get_store().exists(slot.upload.staging_key)
        assert not LfsObject.objects.exists()

    def test_parts_have_addresses_at_the_store(self, settings: Settings) -> None:
        settings.LFS_PARTS_ABOVE_BYTES = 0
        alice = factories.actor()
        repository = factories.repository(alice)
        data = b"one part " + repository.storage.encode()
        [slot] = negotiate(alice, repository, data, in_parts=True)
        assert slot.upload is not None
        assert len(slot.part_urls) == 1
        assert "uploadId=" in slot.part_urls[0]
        etag = httpx.put(slot.part_urls[0], content=data).headers["ETag"].strip('"')
        done = grant(repository, data, Action.COMPLETE, upload_id=slot.upload.pk)
        stored = services.complete_upload(grant=done, parts=[Part(1, etag)], now=NOW)
        with selectors.open_object(stored) as reader:
            assert b"".join(reader) == data


class TestStore:
    def test_is_the_directory_unless_a_bucket_is_named(self, settings: Settings) -> None:
        assert isinstance(get_store(), LocalBlobStore)
        settings.S3 = {"bucket": "b", "endpoint": "http://127.0.0.1:1"}
        assert isinstance(get_store(), S3BlobStore)
        assert timedelta(0) < timedelta(hours=settings.LFS_GRACE_HOURS)
