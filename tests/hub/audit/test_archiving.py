"""The audit log in a bucket: in order, whole, and once, whatever stops an export."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from foundation.redis_connection import connection, key
from hub.audit import archiving, chain
from hub.audit.models import AuditEntry
from hub.audit.recording import record
from hub.blobstore import LocalBlobStore, S3BlobStore, S3Options
from tests.servers.s3 import ObjectStore, make_bucket

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(count: int, *, at: datetime = NOON) -> None:
    """Entries of one moment, in the chain."""
    for number in range(count):
        record(actor=None, action="tried", subject=f"thing {number}", text="ä\n\u2028")
    AuditEntry.objects.filter(position=None).update(at=at)
    chain.append_new()


def lines(store: LocalBlobStore | S3BlobStore) -> list[dict[str, object]]:
    """All exported entries, in the order of the names of their objects."""
    names = sorted(blob.key for blob in store.list("") if blob.key != archiving.HEAD)
    return [json.loads(line) for name in names for line in store.read(name).decode().split("\n") if line]


def positions(store: LocalBlobStore | S3BlobStore) -> list[object]:
    return [line["position"] for line in lines(store)]


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "bucket")


@pytest.fixture(autouse=True)
def small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "ENTRIES_MAX", 3)


class Killed(BaseException):
    """The process ends here."""


class MortalStore(LocalBlobStore):
    """Dies before or after a number of writes."""

    lives: float

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        self.lives -= 0.5
        if self.lives < 0:
            raise Killed
        size = super().put_stream(key, chunks)
        self.lives -= 0.5
        if self.lives < 0:
            raise Killed
        return size


class TestExport:
    def test_goes_by_day_and_position(self, store: LocalBlobStore) -> None:
        write(4)
        write(1, at=NOON + timedelta(days=1))
        assert archiving.export(store, place="s3://x") == (5, 5)
        assert sorted(blob.key for blob in store.list("")) == [
            "2026-03-01/000000000001.jsonl",
            "2026-03-01/000000000004.jsonl",
            "2026-03-02/000000000005.jsonl",
            "head.json",
        ]
        assert positions(store) == [1, 2, 3, 4, 5]

    def test_keeps_the_end_of_the_chain(self, store: LocalBlobStore) -> None:
        write(4)
        archiving.export(store, place="s3://x")
        head = json.loads(store.read("head.json"))
        last = AuditEntry.objects.get(position=4)
        assert head == {"position": 4, "digest": last.digest, "day": "2026-03-01"}
        assert list(chain.problems({head["position"]: head["digest"]})) == []

    def test_goes_on_where_the_last_ended(self, store: LocalBlobStore) -> None:
        for _ in range(5):
            write(2)
            archiving.export(store, place="s3://x")
        assert archiving.export(store, place="s3://x") == (0, 10)
        assert positions(store) == list(range(1, 11))

    def test_keeps_the_order_when_an_entry_is_older_than_the_one_before(self, store: LocalBlobStore) -> None:
        """Its act began the day before, and took long."""
        write(1, at=NOON)
        write(1, at=NOON - timedelta(days=1))
        archiving.export(store, place="s3://x")
        write(1, at=NOON - timedelta(days=2))
        archiving.export(store, place="s3://x")
        assert positions(store) == [1, 2, 3]

    @pytest.mark.parametrize("lives", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.5])
    def test_has_no_gaps_and_no_doubles_after_a_kill(self, tmp_path: Path, lives: float) -> None:
        """At each point, with more entries before the next run."""
        store = MortalStore(tmp_path / "bucket")
        store.lives = lives
        write(7)
        with pytest.raises(Killed):
            archiving.export(store, place="s3://x")
        write(4)
        store.lives = 100
        archiving.export(store, place="s3://x")
        assert positions(store) == list(range(1, 12))

    def test_waits_for_another_to_end(self, store: LocalBlobStore) -> None:
        write(1)
        held = connection().lock(key("audit", "export", "s3://x"), timeout=60)
        assert held.acquire(blocking=False)
        try:
            with pytest.raises(archiving.ExportRuns):
                archiving.export(store, place="s3://x")
        finally:
            held.release()
        assert positions(store) == []
        assert archiving.export(store, place="s3://x") == (1, 1)

    def test_stops_when_another_took_over(
        self, store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It slept for longer than its lock, and must not write over what the other has written since."""
        write(7)
        put = store.put_stream

        def put_and_lose(key_of_object: str, chunks: Iterable[bytes]) -> int:
            connection().set(key("audit", "export", "s3://x"), "of another")
            return put(key_of_object, chunks)

        monkeypatch.setattr(store, "put_stream", put_and_lose)
        try:
            with pytest.raises(archiving.ExportRuns):
                archiving.export(store, place="s3://x")
        finally:
            connection().delete(key("audit", "export", "s3://x"))
        assert positions(store) == [1, 2, 3]

    def test_refuses_to_go_on_in_another_log(self, store: LocalBlobStore) -> None:
        write(2)
        archiving.export(store, place="s3://x")
        AuditEntry.objects.filter(position=2).update(digest="0" * 64)
        with pytest.raises(archiving.AnotherLog, match="goes up to entry 2"):
            archiving.export(store, place="s3://x")


class TestS3:
    def test_is_where_the_command_exports_to(self, s3_store: ObjectStore, settings: Settings) -> None:
        options = S3Options(
            bucket="audit-log",
            endpoint=s3_store.endpoint,
            access_key=s3_store.access_key,
            secret_key=s3_store.secret_key,
            prefix="kept/",
        )
        make_bucket(options)
        settings.S3 = {
            "bucket": "of-the-hub",
            "endpoint": s3_store.endpoint,
            "access_key": s3_store.access_key,
            "secret_key": s3_store.secret_key,
        }
        write(4)
        said = StringIO()
        call_command("audit", "export", "--to", "s3://audit-log/kept/", stderr=said)
        assert said.getvalue() == "4 entries. s3://audit-log/kept/ goes up to entry 4.\n"
        write(1)
        call_command("audit", "export", "--to", "s3://audit-log/kept", stderr=StringIO())
        assert positions(S3BlobStore(options)) == [1, 2, 3, 4, 5]

    def test_says_so_when_the_bucket_does_not_answer(self, settings: Settings) -> None:
        settings.S3 = {"bucket": "x", "endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "b"}
        with pytest.raises(CommandError, match="is not responding"):
            call_command("audit", "export", "--to", "s3://audit-log/kept", stderr=StringIO())
