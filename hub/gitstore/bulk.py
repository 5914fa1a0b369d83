"""Repositories by the thousand: each is one pack written by hand, and synced to disk with the batch.

For filling a hub with made-up content only. What people push goes through `hub.gitstore.writing`, which
makes every object durable before anybody is told.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from hub.gitstore.folders import CONFIG, folder_of
from hub.gitstore.values import Author, Entry

COMMIT, TREE, BLOB = 1, 2, 3
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}


@dataclass(frozen=True, slots=True)
class MadeRepository:
    """What was written: the first commit and its files. It reads like a `GitRepository` of that commit."""

    commit: str
    files: dict[str, bytes]
    oids: dict[str, str]

    def entries(self, commit: str, path: str = "", *, recursive: bool = False) -> Iterator[Entry]:
        for name in sorted(self.files):
            yield Entry(path=name, kind="file", oid=self.oids[name], size=len(self.files[name]))

    def read(self, oid: str) -> bytes:
        return next(self.files[name] for name, found in self.oids.items() if found == oid)


def write_repository(
    storage: str,
    *,
    default_branch: str,
    files: Mapping[str, bytes],
    message: str,
    author: Author,
    at: datetime,
) -> MadeRepository:
    """Make a repository of one commit with these top-level files; again, it is written over.

    Durable only after `sync`.
    """
    objects: dict[bytes, tuple[int, bytes]] = {}

    def add(kind: int, data: bytes) -> bytes:
        digest = hashlib.sha1(NAMES[kind] + b" %d\0" % len(data) + data).digest()  # noqa: S324
        objects[digest] = (kind, data)
        return digest

    blobs = {name: add(BLOB, data) for name, data in files.items()}
    tree = b"".join(b"100644 " + name.encode() + b"\0" + blobs[name] for name in sorted(blobs))
    who = f"{author.name} <{author.email}> {int(at.timestamp())} +0000"
    text = f"tree {add(TREE, tree).hex()}\nauthor {who}\ncommitter {who}\n\n{message}"
    commit = add(COMMIT, text.encode()).hex()
    _write(storage, default_branch, commit, objects)
    return MadeRepository(commit, dict(files), {name: oid.hex() for name, oid in blobs.items()})


def _write(
    storage: str, default_branch: str, commit: str, objects: Mapping[bytes, tuple[int, bytes]]
) -> None:
    folder = folder_of(storage)
    for part in ("objects/pack", "refs/heads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pack, index = _pack(objects)
    name = f"objects/pack/pack-{pack[-20:].hex()}"
    (folder / f"{name}.pack").write_bytes(pack)
    (folder / f"{name}.idx").write_bytes(index)
    (folder / "config").write_text(CONFIG)
    (folder / "refs" / "heads" / default_branch).write_text(f"{commit}\n")
    (folder / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")


def _pack(objects: Mapping[bytes, tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """A pack and its index. Source: git's documentation, gitformat-pack(5), versions 2 and 2."""
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


def sync() -> None:
    """Make everything that was written durable."""
    os.sync()
