"""One suite for both adapters: what hub.blobstore.store promises."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from hub.blobstore import BlobMissing, BlobStore, InvalidPart, Part, UploadMissing
from tests.clock import file_moment

PART = 5 * 1024 * 1024


@pytest.fixture
def key() -> str:
    name = secrets.token_hex(8)
    return f"lfs/{name[:2]}/{name}"


def file_with(folder: Path, data: bytes) -> Path:
    path = folder / secrets.token_hex(4)
    path.write_bytes(data)
    return path


class TestPut:
    def test_keeps_a_file_and_takes_it_away_from_where_it_was(
        self, store: BlobStore, key: str, tmp_path: Path
    ) -> None:
        path = file_with(tmp_path, b"weights")
        store.put_file(key, path)
        assert store.read(key) == b"weights"
        assert not path.exists()

    def test_keeps_a_stream_and_says_how_long_it_was(self, store: BlobStore, key: str) -> None:
        assert store.put_stream(key, [b"ab", b"", b"cde"]) == 5
        assert store.size(key) == 5
        assert store.read(key) == b"abcde"

    def test_keeps_nothing_as_a_blob_of_size_zero(self, store: BlobStore, key: str) -> None:
        assert store.put_stream(key, []) == 0
        assert store.exists(key)
        assert store.read(key) == b""

    def test_keeps_a_stream_longer_than_one_part(self, store: BlobStore, key: str) -> None:
        block = os.urandom(1024 * 1024)
        assert store.put_stream(key, (block for _ in range(18))) == 18 * len(block)
        with store.open(key) as reader:
            digest = hashlib.sha256(b"".join(reader)).hexdigest()
        assert digest == hashlib.sha256(block * 18).hexdigest()

    def test_replaces_what_was_there(self, store: BlobStore, key: str) -> None:
        store.put_stream(key, [b"old and long"])
        store.put_stream(key, [b"new"])
        assert store.read(key) == b"new"

    def test_leaves_nothing_when_the_stream_breaks(self, store: BlobStore, key: str) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            store.put_stream(key, broken())
        assert not store.exists(key)

    @pytest.mark.parametrize("bad", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "A/b", ".git/x"])
    def test_refuses_a_key_that_is_not_one(self, store: BlobStore, bad: str) -> None:
        with pytest.raises(ValueError, match="Not a blob key"):
            store.put_stream(bad, [b"x"])


class TestRead:
    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (0, None, b"0123456789"),
            (3, None, b"3456789"),
            (0, 1, b"0"),
            (2, 5, b"234"),
            (8, 100, b"89"),
            (4, 4, b""),
            (10, None, b""),
        ],
    )
    def test_gives_the_range_asked_for(
        self, store: BlobStore, key: str, start: int, end: int | None, expected: bytes
    ) -> None:
        store.put_stream(key, [b"0123456789"])
        assert store.read(key, start, end) == expected
        with store.open(key, start, end) as reader:
            assert b"".join(reader) == expected

    @pytest.mark.parametrize(("start", "size", "expected"), [(0, 4, b"0123"), (7, 3, b"789"), (7, 9, b"789")])
    def test_fills_a_buffer_as_far_as_there_are_bytes(
        self, store: BlobStore, key: str, start: int, size: int, expected: bytes
    ) -> None:
        store.put_stream(key, [b"0123456789"])
        buffer = bytearray(size)
        assert store.readinto(key, memoryview(buffer), start) == len(expected)
        assert buffer[: len(expected)] == expected

    def test_reads_in_small_pieces_too(self, store: BlobStore, key: str) -> None:
        store.put_stream(key, [b"0123456789"])
        with store.open(key, 2, 9) as reader:
            assert [reader.read(3), reader.read(3), reader.read(3), reader.read(3)] == [
                b"234",
                b"567",
                b"8",
                b"",
            ]

    def test_says_at_once_that_a_blob_is_missing(self, store: BlobStore, key: str) -> None:
        with pytest.raises(BlobMissing):
            store.open(key)
        with pytest.raises(BlobMissing):
            store.readinto(key, memoryview(bytearray(1)))
        assert store.size(key) is None
        assert not store.exists(key)
        assert store.local_path(key) is None


class TestManage:
    def test_deletes_a_blob_and_does_not_mind_one_that_is_gone(self, store: BlobStore, key: str) -> None:
        store.put_stream(key, [b"x"])
        store.delete(key)
        store.delete(key)
        assert not store.exists(key)

    def test_moves_a_blob(self, store: BlobStore, key: str) -> None:
        store.put_stream(key, [b"x"])
        store.move(key, f"quarantine/{key}")
        assert not store.exists(key)
        assert store.read(f"quarantine/{key}") == b"x"

    def test_says_that_a_blob_to_move_is_missing(self, store: BlobStore, key: str) -> None:
        with pytest.raises(BlobMissing):
            store.move(key, f"{key}-2")

    def test_lists_whole_segments_with_sizes(self, store: BlobStore, key: str) -> None:
        folder = f"list/{secrets.token_hex(4)}"
        store.put_stream(f"{folder}/a/2", [b"22"])
        store.put_stream(f"{folder}/a/1", [b"1"])
        store.put_stream(f"{folder}/ab/3", [b"333"])
        found = list(store.list(f"{folder}/a"))
        assert [(blob.key, blob.size_bytes) for blob in found] == [
            (f"{folder}/a/1", 1),
            (f"{folder}/a/2", 2),
        ]
        assert all(blob.modified_at.tzinfo is not None for blob in found)
        assert len(list(store.list(folder))) == 3
        assert list(store.list(f"{folder}/none")) == []


class TestUpload:
    def test_joins_parts_whatever_their_order_of_arrival(
        self, store: BlobStore, key: str, tmp_path: Path
    ) -> None:
        upload = store.create_upload(key)
        first, last = os.urandom(PART), b"tail"
        two = store.put_part(key, upload, 2, file_with(tmp_path, last))
        one = store.put_part(key, upload, 1, file_with(tmp_path, first))
        assert not store.exists(key)
        assert [(part.number, part.size_bytes) for part in store.list_parts(key, upload)] == [
            (1, PART),
            (2, 4),
        ]
        store.complete_upload(key, upload, [two, one])
        assert store.read(key) == first + last

    def test_takes_a_part_again(self, store: BlobStore, key: str, tmp_path: Path) -> None:
        upload = store.create_upload(key)
        store.put_part(key, upload, 1, file_with(tmp_path, b"first try"))
        again = store.put_part(key, upload, 1, file_with(tmp_path, b"second"))
        assert [part.number for part in store.list_parts(key, upload)] == [1]
        store.complete_upload(key, upload, [again])
        assert store.read(key) == b"second"

    def test_refuses_parts_it_did_not_receive(self, store: BlobStore, key: str, tmp_path: Path) -> None:
        upload = store.create_upload(key)
        part = store.put_part(key, upload, 1, file_with(tmp_path, b"x"))
        with pytest.raises(InvalidPart):
            store.complete_upload(key, upload, [part, Part(2, "0" * 32)])
        with pytest.raises(InvalidPart):
            store.complete_upload(key, upload, [Part(1, "0" * 32)])
        assert not store.exists(key)

    @pytest.mark.parametrize("number", [0, -1, 10_001])
    def test_refuses_a_part_number_out_of_bounds(
        self, store: BlobStore, key: str, number: int, tmp_path: Path
    ) -> None:
        upload = store.create_upload(key)
        with pytest.raises(InvalidPart):
            store.put_part(key, upload, number, file_with(tmp_path, b"x"))

    def test_forgets_an_aborted_upload(self, store: BlobStore, key: str, tmp_path: Path) -> None:
        upload = store.create_upload(key)
        store.put_part(key, upload, 1, file_with(tmp_path, b"x"))
        store.abort_upload(key, upload)
        store.abort_upload(key, upload)
        with pytest.raises(UploadMissing):
            store.list_parts(key, upload)

    def test_discards_uploads_begun_before_a_moment(self, store: BlobStore, key: str) -> None:
        upload = store.create_upload(key)
        store.discard_unfinished(file_moment() - timedelta(hours=1))
        assert store.list_parts(key, upload) == []
        assert store.discard_unfinished(file_moment() + timedelta(hours=1)) >= 1
        with pytest.raises(UploadMissing):
            store.list_parts(key, upload)


class TestPresign:
    def test_gives_a_url_that_serves_the_bytes_or_none(self, store: BlobStore, key: str) -> None:
        store.put_stream(key, [b"0123456789"])
        url = store.presign_get(
            key, expires_seconds=60, disposition='inline; filename="w.bin"', content_type="text/x-w"
        )
        if url is None:
            path = store.local_path(key)
            assert path is not None
            assert path.read_bytes() == b"0123456789"
            return
        answer = httpx.get(url, headers={"Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["Content-Disposition"] == 'inline; filename="w.bin"'
        assert httpx.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code == 403

    def test_gives_urls_that_take_the_bytes_or_none(self, store: BlobStore, key: str) -> None:
        url = store.presign_put(key, expires_seconds=60)
        if url is not None:
            assert httpx.put(url, content=b"sent").status_code == 200
            assert store.read(key) == b"sent"

    def test_gives_urls_that_take_parts_or_none(self, store: BlobStore, key: str) -> None:
        upload = store.create_upload(key)
        url = store.presign_part(key, upload, 1, expires_seconds=60)
        if url is not None:
            answer = httpx.put(url, content=b"part")
            store.complete_upload(key, upload, [Part(1, answer.headers["ETag"].strip('"'))])
            assert store.read(key) == b"part"
