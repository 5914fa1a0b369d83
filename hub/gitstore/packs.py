"""Packs made of objects in memory. Source: gitformat-pack(5), pack and index of version 2."""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

COMMIT, TREE, BLOB = 1, 2, 3
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
# Objects by their id: kind and content.
Objects = Mapping[bytes, tuple[int, bytes]]


def object_id(kind: int, data: bytes) -> bytes:
    """An object's id: the SHA-1 of its kind, its size and its content, 20 bytes."""
    return hashlib.sha1(NAMES[kind] + b" %d\0" % len(data) + data).digest()  # noqa: S324 - git's own hash


def pack_of(objects: Objects) -> tuple[bytes, bytes]:
    """A pack without deltas, and its index."""
    pack = bytearray(b"PACK" + struct.pack(">II", 2, len(objects)))
    places: dict[bytes, tuple[int, int]] = {}
    for digest, (kind, data) in objects.items():
        piece = _header(kind, len(data)) + zlib.compress(data, 1)
        places[digest] = (len(pack), zlib.crc32(piece))
        pack += piece
    pack += hashlib.sha1(pack).digest()  # noqa: S324
    order = sorted(places)
    index = bytearray(b"\xfftOc" + struct.pack(">I", 2))
    begins = Counter(digest[0] for digest in order)
    index += struct.pack(">256I", *accumulate(begins[byte] for byte in range(256)))
    index += b"".join(order)
    index += struct.pack(f">{len(order)}I", *(places[digest][1] for digest in order))
    index += struct.pack(f">{len(order)}I", *(places[digest][0] for digest in order))
    index += pack[-20:]
    index += hashlib.sha1(index).digest()  # noqa: S324
    return bytes(pack), bytes(index)


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
    """What a pack's files are called, without their endings: its checksum is their name."""
    return f"pack-{pack[-20:].hex()}"


def add(repository: Path, objects: Objects) -> None:
    """Add objects to a bare repository as one pack. When this returns they are on the disk.

    Two files and one folder are synced, however many objects there are. The index comes last: git reads a
    pack only when its index is there.
    """
    folder = repository / "objects" / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    pack, index = pack_of(objects)
    for ending, data in ((".pack", pack), (".idx", index)):
        # git removes files of this name that are old, should this process end here.
        building = folder / f"tmp_{secrets.token_hex(8)}{ending}"
        try:
            with building.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            building.chmod(0o400)
            building.replace(folder / f"{name_of(pack)}{ending}")
        except BaseException:
            building.unlink(missing_ok=True)
            raise
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
