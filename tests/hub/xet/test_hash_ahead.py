"""Files that are hashed while their xorbs arrive."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation.redis_connection import connection, key
from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import hash_ahead, reconstruction, services
from hub.xet.codec import chunking, hashes, running_sha256, xorbs
from hub.xet.codec.shards import Shard, ShardXorb
from hub.xet.errors import InvalidShard, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.models import XetFile, Xorb
from tests.hub.xet import uploads
from tests.hub.xet.uploads import Upload

CONTENT = random.Random(7).randbytes(1_500_000)


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_ahead, "LARGE_BYTES", 1_000_000)


@pytest.fixture(autouse=True)
def nothing_is_hashed() -> None:
    """The states of other tests are gone: their bytes are the same, and numbers of rows are used again."""
    for part in ("sha256", "arrivals", "announced"):
        _delete("xet", part, "*")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The xorbs of the pieces that were read back from the store."""
    names: list[str] = []
    fetch = reconstruction.fetch

    def noted(piece: reconstruction.Piece, buffer: reconstruction.Buffer) -> list[xorbs.compression.Bytes]:
        names.append(piece.run.xorb)
        return fetch(piece, buffer)

    monkeypatch.setattr(reconstruction, "fetch", noted)
    return names


def in_xorbs(content: bytes, count: int) -> Upload:
    """One file in so many xorbs, which are in the order of the file."""
    chunks = list(chunking.read_chunks(io.BytesIO(content).read))
    bodies, described, runs = {}, [], []
    for part in range(count):
        body = io.BytesIO()
        writer = xorbs.XorbWriter(body)
        for chunk in chunks[len(chunks) * part // count : len(chunks) * (part + 1) // count]:
            writer.add(chunk)
        layout = writer.layout()
        name = xorbs.layout_hash(layout)
        bodies[hashes.to_text(name)] = body.getvalue()
        lengths = uploads.np.array(layout.raw_lengths(0, len(layout)), "u4")
        described.append(ShardXorb(name, layout.hashes, lengths))
        runs.append((name, layout, 0, len(layout)))
    return Upload(bodies, Shard([uploads.file_of(content, runs)], described))


def announced(repository: Repository, *sizes: int) -> None:
    services.expect_files(repository, {f"{n}.bin": size for n, size in enumerate(sizes)})


@pytest.fixture
def upload(alice: Principal, model: Repository) -> Upload:
    """A file in four xorbs, announced."""
    announced(model, len(CONTENT))
    return in_xorbs(CONTENT, 4)


class TestHashAhead:
    def test_reads_no_xorb_twice(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        uploads.send_xorbs(upload, alice, model)
        assert set(read) == set(upload.xorbs)
        read.clear()
        assert uploads.send_shard(upload, alice, model)
        assert read == []
        assert b"".join(reconstruction.read(XetFile.objects.get())) == CONTENT

    def test_hashes_what_was_stored_before_its_turn(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        """The second request ends before the first: its xorb is hashed when the first one has ended."""
        (first, body), (second, other), *_ = upload.xorbs.items()

        def slow(size: int) -> bytes:
            if not Xorb.objects.filter(pk=second).exists():
                uploads.send_xorbs(Upload({second: other}), alice, model)
                assert read == []
            return stream.read(size)

        stream = io.BytesIO(body)
        services.store_xorb(actor=alice, repository=model, name=first, read=slow, now=uploads.NOW)
        assert set(read) == {first, second}

    def test_keeps_a_bounded_number_of_names(
        self, upload: Upload, alice: Principal, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hash_ahead, "NAMES_MAX", 3)
        for number in range(9):
            hash_ahead.Arrivals(alice.user_id, model.pk).begin(f"{number:064x}")
            hash_ahead.announce(model.pk, {f"{number}.bin": len(CONTENT)} if number > 4 else {})
        assert connection().llen(key("xet", "arrivals", alice.user_id, model.pk, "order")) == 3
        assert connection().scard(key("xet", "announced", model.pk)) == 2
        uploads.send_xorbs(upload, alice, model)
        assert uploads.send_shard(upload, alice, model)

    def test_reads_only_the_rest_if_a_xorb_is_not_in_its_turn(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        names = list(upload.xorbs)
        mixed = [names[0], names[1], names[3], names[2]]
        uploads.send_xorbs(Upload({name: upload.xorbs[name] for name in mixed}), alice, model)
        read.clear()
        assert uploads.send_shard(upload, alice, model)
        assert set(read) == set(names[2:])

    @pytest.mark.parametrize("sizes", [(), (10,), (2_000_000, 2_000_000)])
    def test_waits_for_the_shard_unless_one_large_file_is_announced(
        self, alice: Principal, model: Repository, read: list[str], sizes: tuple[int, ...]
    ) -> None:
        announced(model, *sizes)
        upload = in_xorbs(CONTENT, 2)
        uploads.send_xorbs(upload, alice, model)
        assert read == []
        assert uploads.send_shard(upload, alice, model)
        assert set(read) == set(upload.xorbs)

    def test_may_be_announced_twice_and_sent_twice(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        """A client that was killed begins anew."""
        first = list(upload.xorbs)[:2]
        uploads.send_xorbs(Upload({name: upload.xorbs[name] for name in first}), alice, model)
        announced(model, len(CONTENT))
        uploads.send_xorbs(upload, alice, model)
        read.clear()
        assert uploads.send_shard(upload, alice, model)
        assert read == []

    def test_begins_anew_after_a_shard(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        uploads.send(upload, alice, model)
        announced(model, len(CONTENT))
        other = in_xorbs(CONTENT[::-1], 3)
        uploads.send_xorbs(other, alice, model)
        read.clear()
        assert uploads.send_shard(other, alice, model)
        assert read == []

    def test_can_be_switched_off(
        self, settings: Settings, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        settings.XET_HASH_AHEAD = False
        announced(model, len(CONTENT))
        upload = in_xorbs(CONTENT, 2)
        uploads.send_xorbs(upload, alice, model)
        assert read == []
        assert uploads.send_shard(upload, alice, model)

    def test_needs_no_redis(
        self, settings: Settings, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        announced(model, len(CONTENT))
        upload = in_xorbs(CONTENT, 2)
        uploads.send_xorbs(upload, alice, model)
        assert uploads.send_shard(upload, alice, model)
        assert set(read) == set(upload.xorbs)


class TestRefusals:
    def test_a_wrong_sha256_is_refused_by_the_bytes_themselves(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        uploads.send_xorbs(upload, alice, model)
        read.clear()
        with pytest.raises(InvalidShard, match="another SHA-256"):
            uploads.send_shard(upload.changed(sha256=bytes(32)), alice, model)
        assert set(read) == set(upload.xorbs)
        assert not XetFile.objects.exists()

    def test_a_wrong_state_refuses_nobody(
        self, upload: Upload, alice: Principal, model: Repository, read: list[str]
    ) -> None:
        uploads.send_xorbs(upload, alice, model)
        for name in _states():
            connection().set(name, bytes(running_sha256.STATE_BYTES))
        read.clear()
        assert uploads.send_shard(upload, alice, model)
        assert set(read) == set(upload.xorbs)

    @pytest.mark.parametrize("state", [b"", b"x" * 5])
    def test_a_state_of_another_length_is_not_used(
        self, upload: Upload, alice: Principal, model: Repository, state: bytes
    ) -> None:
        uploads.send_xorbs(upload, alice, model)
        for name in _states():
            connection().set(name, state)
        assert hash_ahead.beginning_of(upload.shard.files[0], Layouts()) is None
        assert uploads.send_shard(upload, alice, model)

    def test_a_damaged_xorb_is_found_by_the_shard(
        self, upload: Upload, alice: Principal, model: Repository, store_folder: Path
    ) -> None:
        """Its sender gets an answer as before; the shard is refused, and the xorb can be sent again."""
        (name, body), *_ = upload.xorbs.items()
        uploads.send_xorbs(Upload({name: body}), alice, model)
        _forget(alice, model)
        announced(model, len(CONTENT))
        path = store_folder / Xorb.objects.get().key
        path.write_bytes(b"\xff" + body[1:])
        uploads.send_xorbs(upload, alice, model)
        with pytest.raises(XorbDamaged):
            uploads.send_shard(upload, alice, model)
        assert Xorb.objects.get(pk=name).state == Xorb.State.DAMAGED
        assert uploads.send_xorbs(upload, alice, model)
        assert uploads.send_shard(upload, alice, model)


def _states() -> Iterator[bytes]:
    yield from connection().scan_iter(key("xet", "sha256", "*"))


def _delete(*pattern: str) -> None:
    for name in connection().scan_iter(key(*pattern)):
        connection().delete(name)


def _forget(actor: Principal, repository: Repository) -> None:
    _delete("xet", "sha256", "*")
    hash_ahead.Arrivals(actor.user_id, repository.pk).end()
