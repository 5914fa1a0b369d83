"""Blobs as files under one directory.

A file is written under a temporary name, flushed, renamed, and its directory flushed: after a power
cut there is the old file or the new one. Parts of an upload wait in `.uploads/<id>/` until joined.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from foundation import hex_digits, spans
from hub.blobstore.store import (
    CHUNK_BYTES,
    Blob,
    BlobMissing,
    BlobReader,
    InvalidPart,
    Part,
    UploadMissing,
    check_key,
    check_part_number,
    refusing_when_full,
)

UPLOAD_ID = re.compile(hex_digits.pattern(32))


class FileRange(BlobReader):
    """A range of an open file, read in order."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        file.seek(start)
        self._file = file
        self._left = max(0, end - start)

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class LocalBlobStore:
    """The store for one machine, or for several that share a file system. See BlobStore."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._temporary = self.root / ".tmp"
        self._uploads = self.root / ".uploads"

    @spans.traced("blobstore.put")
    def put_file(self, key: str, path: Path) -> None:
        with refusing_when_full():
            self._take(path, self._path(key))

    @spans.traced("blobstore.put")
    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        with refusing_when_full(), self._writing(self._path(key)) as file:
            for chunk in chunks:
                file.write(chunk)
            return file.tell()

    @spans.traced("blobstore.get")
    def open(self, key: str, start: int = 0, end: int | None = None) -> FileRange:
        file = self._opened(key)
        size = os.fstat(file.fileno()).st_size
        return FileRange(file, start, size if end is None else min(end, size))

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self.open(key, start, end) as reader:
            return b"".join(reader)

    @spans.traced("blobstore.get")
    def readinto(self, key: str, buffer: memoryview, start: int = 0) -> int:
        filled = 0
        with self._opened(key) as file:
            file.seek(start)
            while filled < len(buffer) and (count := file.readinto(buffer[filled:])):
                filled += count
        return filled

    def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[Blob]:
        folder = self.root / check_key(prefix.rstrip("/")) if prefix else self.root
        if folder.is_file():
            yield self._blob(folder)
        for path in _walk(folder):
            with suppress(FileNotFoundError):
                yield self._blob(path)

    def move(self, key: str, new_key: str) -> None:
        try:
            _replace(self._path(key), self._path(new_key))
        except FileNotFoundError:
            raise BlobMissing(key=key) from None
        _flush(self._path(key).parent)

    def presign_get(
        self,
        key: str,
        *,
        expires_seconds: int,
        disposition: str = "",
        content_type: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> None:
        return None

    def presign_put(self, key: str, *, expires_seconds: int) -> None:
        return None

    def local_path(self, key: str) -> Path | None:
        path = self._path(key)
        return path if path.is_file() else None

    def create_upload(self, key: str) -> str:
        upload_id = secrets.token_hex(16)
        folder = self._uploads / upload_id
        with refusing_when_full():
            _make_folder(folder)
            (folder / "key").write_text(check_key(key))
        return upload_id

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_seconds: int) -> None:
        return None

    @spans.traced("blobstore.put")
    def put_part(self, key: str, upload_id: str, number: int, path: Path) -> Part:
        folder = self._upload(key, upload_id)
        check_part_number(number)
        with path.open("rb") as file:
            etag = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        part = Part(number, etag, path.stat().st_size)
        older = [each for each in self._part_files(folder) if _part_of(each).number == number]
        with refusing_when_full():
            self._take(path, folder / f"{number:05d}-{etag}")
        for each in older:
            if _part_of(each).etag != etag:
                each.unlink(missing_ok=True)
        return part

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        return [_part_of(path) for path in self._part_files(self._upload(key, upload_id))]

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        folder = self._upload(key, upload_id)
        received = {(part.number, part.etag) for part in self.list_parts(key, upload_id)}
        for part in parts:
            if (part.number, part.etag) not in received:
                raise InvalidPart(number=part.number)
        with refusing_when_full(), self._writing(self._path(key)) as file:
            for part in sorted(parts, key=lambda part: part.number):
                with (folder / f"{part.number:05d}-{part.etag}").open("rb") as source:
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
        shutil.rmtree(folder, ignore_errors=True)

    def abort_upload(self, key: str, upload_id: str) -> None:
        with suppress(UploadMissing):
            shutil.rmtree(self._upload(key, upload_id), ignore_errors=True)

    def discard_unfinished(self, before: datetime) -> int:
        count = 0
        for folder in (self._temporary, self._uploads):
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.stat().st_mtime >= before.timestamp():
                    continue
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                count += 1
        return count

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _opened(self, key: str) -> FileIO:
        try:
            return self._path(key).open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing(key=key) from None

    def _blob(self, path: Path) -> Blob:
        status = path.stat()
        key = path.relative_to(self.root).as_posix()
        return Blob(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _upload(self, key: str, upload_id: str) -> Path:
        folder = self._uploads / upload_id
        if not UPLOAD_ID.fullmatch(upload_id) or not (folder / "key").is_file():
            raise UploadMissing
        if (folder / "key").read_text() != key:
            raise UploadMissing
        return folder

    @staticmethod
    def _part_files(folder: Path) -> Sequence[Path]:
        return sorted(path for path in folder.iterdir() if path.name != "key" and "-" in path.name)

    def _take(self, path: Path, target: Path) -> None:
        """Make `target` of a finished file: by its name where that is possible, else by copying."""
        if self._same_file_system(path):
            _flush(path)
            _replace(path, target)
            return
        with self._writing(target) as file, path.open("rb") as source:
            shutil.copyfileobj(source, file, CHUNK_BYTES)
        path.unlink()

    def _same_file_system(self, path: Path) -> bool:
        _make_folder(self.root)
        return path.stat().st_dev == self.root.stat().st_dev

    @contextmanager
    def _writing(self, target: Path) -> Iterator[BinaryIO]:
        """Give a file to write; it becomes `target` only if the block ends well."""
        _make_folder(self._temporary)
        temporary = self._temporary / secrets.token_hex(16)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _part_of(path: Path) -> Part:
    number, _, etag = path.name.partition("-")
    return Part(int(number), etag, path.stat().st_size)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield files below a folder in order of name, leaving out the store's own dot folders."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _replace(path: Path, target: Path) -> None:
    _make_folder(target.parent)
    path.replace(target)
    _flush(target.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder so that it survives a power cut: each new one is flushed into its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _flush(folder.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
