"""The interface of every blob store."""

from __future__ import annotations

import errno
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol, Self

from django.utils.translation import gettext_lazy as _

from foundation import temporary_files
from foundation.errors import Invalid, NotFound, OutOfSpace, Unavailable

CHUNK_BYTES = 1024 * 1024
# S3 numbers parts from 1 to 10,000; the local store keeps to the same rule.
PARTS_MAX = 10_000
KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*")


class StorageFull(OutOfSpace):
    """The disk or bucket takes no more bytes. Nothing was kept of what was being written."""

    code = "storage_full"
    message = _("The hub's storage is full. Nothing was stored; contact an administrator.")


class StoreUnreachable(Unavailable):
    """The store does not answer."""

    code = "store_unreachable"
    message = _("Object storage is not responding.")


class BlobMissing(Unavailable):
    """A blob that should exist is missing: a fault of the hub, not of the caller."""

    code = "blob_missing"
    message = _("The stored bytes of {key} are missing.")


class UploadMissing(NotFound):
    """There is no such multipart upload; it may have been finished or abandoned."""

    code = "upload_missing"
    message = _("Upload not found. It may have been completed or abandoned.")


class InvalidPart(Invalid):
    """The parts named to finish an upload are not the parts that were received."""

    code = "invalid_part"
    message = _("Part {number} was not received, or not with this ETag.")


@dataclass(frozen=True, slots=True)
class Blob:
    """One stored object as a listing shows it."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One received part of a multipart upload. Numbers start at 1; the etag has no quotes."""

    number: int
    etag: str
    size_bytes: int = 0


class BlobReader(Protocol):
    """Bytes of a blob or of a range of it, in order. Close it, or use it as a context manager.

    As an iterator it gives pieces of `CHUNK_BYTES`, and closes itself after the last.
    """

    @abstractmethod
    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` if that is not negative; none at the end."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or connection."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if data := self.read(CHUNK_BYTES):
            return data
        self.close()
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class BlobStore(Protocol):
    """Bytes by key. Keys are lower-case words, digits, dots and dashes between slashes.

    A write is all or nothing and durable once the call returns; a reader sees the old bytes or the
    new ones. Writing to a key that exists replaces it. Every method may raise StoreUnreachable,
    every write StorageFull.
    """

    def put_file(self, key: str, path: Path) -> None:
        """Keep a finished local file under `key`. The file at `path` is gone afterwards."""

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        """Keep a stream under `key` and return its size in bytes."""

    def open(self, key: str, start: int = 0, end: int | None = None) -> BlobReader:
        """Read bytes `start` up to but not including `end`. Raises BlobMissing here, not later."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Like `open`, in one piece: for small blobs and short ranges."""

    def readinto(self, key: str, buffer: memoryview, start: int = 0) -> int:
        """Fill a buffer with the bytes from `start` on. Returns how many there were. Raises BlobMissing."""

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None if there is no such blob."""

    def exists(self, key: str) -> bool:
        """Say whether there is such a blob."""

    def delete(self, key: str) -> None:
        """Remove a blob. Removing one that is not there is no error."""

    def list(self, prefix: str) -> Iterator[Blob]:
        """List blobs whose key begins with `prefix` (whole segments), in order of key."""

    def move(self, key: str, new_key: str) -> None:
        """Give a blob another key. Raises BlobMissing."""

    def presign_get(
        self,
        key: str,
        *,
        expires_seconds: int,
        disposition: str = "",
        content_type: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> str | None:
        """Return a URL at which anyone may fetch the blob for a while; None if the store has none.

        With a `byte_range` (end exclusive) the URL is good for a request with just that Range.
        """

    def presign_put(self, key: str, *, expires_seconds: int) -> str | None:
        """Return a URL to which anyone may PUT the blob for a while; None if the store has none."""

    def local_path(self, key: str) -> Path | None:
        """Return the file that holds exactly this blob, for sendfile; None if there is none here."""

    def create_upload(self, key: str) -> str:
        """Begin a multipart upload and return its id."""

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_seconds: int) -> str | None:
        """Return a URL to which anyone may PUT one part; None if parts must pass through the hub."""

    def put_part(self, key: str, upload_id: str, number: int, path: Path) -> Part:
        """Keep one part from a local file, which is gone afterwards. A part may be sent again.

        Raises UploadMissing.
        """

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """List the parts received so far, in order. Raises UploadMissing."""

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Join parts into the blob. Raises UploadMissing, InvalidPart."""

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts. Forgetting one that is not there is no error."""

    def discard_unfinished(self, before: datetime) -> int:
        """Forget temporary files and uploads begun before a moment; return how many."""


def check_key(key: str) -> str:
    """Return the key if it is well formed. A bad one is a bug in the caller: ValueError."""
    if not KEY_PATTERN.fullmatch(key) or ".." in key:
        raise ValueError(f"Not a blob key: {key!r}")
    return key


def check_part_number(number: int) -> int:
    """Return the part number if a store takes it. Raises InvalidPart."""
    if not 1 <= number <= PARTS_MAX:
        raise InvalidPart(number=number)
    return number


@contextmanager
def refusing_when_full() -> Iterator[None]:
    """Turn "no space left" from the operating system into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFull from error
        raise


@contextmanager
def temporary_file(prefix: str) -> Iterator[IO[bytes]]:
    """A file with a name, which a store takes by a rename; it is removed after the block.

    Raises: StorageFull where the disk is full inside the block.
    """
    with refusing_when_full(), temporary_files.named(prefix) as file:
        yield file
