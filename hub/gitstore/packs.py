"""Packs made of single objects. Source: gitformat-pack(5), pack and index of version 2."""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO

COMMIT, TREE, BLOB = 1, 2, 3
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
# Objects by their id: kind and content.
Objects = Mapping[bytes, tuple[int, bytes]]
# Offsets of objects in a pack, and the checksums of their packed bytes, by object id.
Places = dict[bytes, tuple[int, int]]
# A growing pack ends here: offsets beyond 2 GiB need another form of index.
PACK_BYTES_MAX = 1 << 30
COPY_BYTES = 1 << 20


def object_id(kind: int, data: bytes) -> bytes:
    """An object's id: the SHA-1 of its kind, its size and its content, 20 bytes."""
    return hashlib.sha1(NAMES[kind] + b" %d\0" % len(data) + data).digest()  # noqa: S324 - git's own hash


def pack_of(objects: Objects) -> tuple[bytes, bytes]:
    """A pack without deltas, and its index."""
    pack = bytearray(_pack_header(len(objects)))
    places: Places = {}
    for digest, (kind, data) in objects.items():
        piece = _packed(kind, data)
        places[digest] = (len(pack), zlib.crc32(piece))
        pack += piece
    pack += hashlib.sha1(pack).digest()  # noqa: S324
    return bytes(pack), _index_of(places, bytes(pack[-20:]))


def _pack_header(count: int) -> bytes:
    return b"PACK" + struct.pack(">II", 2, count)


def _packed(kind: int, data: bytes) -> bytes:
    return _header(kind, len(data)) + zlib.compress(data, 1)


def _index_of(places: Places, checksum: bytes) -> bytes:
    """The index of a pack; the checksum is the pack's last 20 bytes."""
    order = sorted(places)
    index = bytearray(b"\xfftOc" + struct.pack(">I", 2))
    begins = Counter(digest[0] for digest in order)
    index += struct.pack(">256I", *accumulate(begins[byte] for byte in range(256)))
    index += b"".join(order)
    index += struct.pack(f">{len(order)}I", *(places[digest][1] for digest in order))
    index += struct.pack(f">{len(order)}I", *(places[digest][0] for digest in order))
    index += checksum
    index += hashlib.sha1(index).digest()  # noqa: S324
    return bytes(index)


def _header(kind: int, size: int) -> bytes:
    first = kind << 4 | size & 15
    size >>= 4
    found = bytearray()
    while size:
        found.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    found.append(first)
    return bytes(found)


def name_of(pack: bytes) -> str:
    """The name of a pack's files without their suffixes: the pack's checksum."""
    return f"pack-{pack[-20:].hex()}"


def add(repository: Path, objects: Objects) -> None:
    """Add objects to a bare repository as one pack. They are on the disk when this returns.

    Two files and one folder are synced, however many objects there are. The index comes last: git reads a
    pack only when its index is there.
    """
    folder = _folder_of(repository)
    pack, index = pack_of(objects)
    for ending, data in ((".pack", pack), (".idx", index)):
        with _building(folder, f"{name_of(pack)}{ending}") as file:
            file.write(data)
    _sync(folder)


class GrowingPack:
    """A pack that is written to a file of the repository while its objects come, one after another.

    Of each object only its id and its place are held in memory, about 200 bytes.
    """

    def __init__(self, repository: Path) -> None:
        self._folder = _folder_of(repository)
        self._path = self._folder / f"tmp_{secrets.token_hex(8)}.pack"
        self._file = self._path.open("xb+")
        self._file.write(_pack_header(0))
        self._places: Places = {}

    @property
    def is_full(self) -> bool:
        return self._file.tell() >= PACK_BYTES_MAX

    def add(self, kind: int, data: bytes) -> bytes:
        """Write an object that is not in this pack yet; returns its id. Raises: OSError."""
        digest = object_id(kind, data)
        if digest not in self._places:
            piece = _packed(kind, data)
            self._places[digest] = (self._file.tell(), zlib.crc32(piece))
            self._file.write(piece)
        return digest

    def publish(self) -> None:
        """Give the pack to the repository. It is on the disk when this returns. Raises: OSError."""
        try:
            self._file.seek(0)
            self._file.write(_pack_header(len(self._places)))
            checksum = self._checksum()
            self._file.write(checksum)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.chmod(0o400)
            name = f"pack-{checksum.hex()}"
            self._path.replace(self._folder / f"{name}.pack")
            with _building(self._folder, f"{name}.idx") as index:
                index.write(_index_of(self._places, checksum))
            _sync(self._folder)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written, unless it was published."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _checksum(self) -> bytes:
        """The SHA-1 of the file, read again: its header, which holds a count, was written last."""
        self._file.seek(0)
        digest = hashlib.sha1()  # noqa: S324
        while piece := self._file.read(COPY_BYTES):
            digest.update(piece)
        return digest.digest()


def _folder_of(repository: Path) -> Path:
    folder = repository / "objects" / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _building(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A file to write, which is synced and gets its name when the context ends without an error."""
    # git removes files of this name that are old, should this process end here.
    path = folder / f"tmp_{secrets.token_hex(8)}{Path(name).suffix}"
    try:
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o400)
        path.replace(folder / name)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """Put the folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
