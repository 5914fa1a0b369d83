"""Shards: which xorbs are new, and of which runs of chunks files consist. Records of 48 bytes.

Read linearly. The size of the footer in an uploaded header is not to be trusted (old clients announce
one and send none), and whatever stands behind the second bookend is ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hub.xet.codec import hashes
from hub.xet.codec.errors import Malformed
from hub.xet.codec.xorbs import CHUNKS_MAX, Layout

SHARD_MAX = 64 * 1024 * 1024
# Clients put a few hundred files, and never more than 64 MiB of records, into one shard.
FILES_MAX = 65_536
XORBS_MAX = 8_192
TERMS_AT_ONCE = 1_000
TAG = bytes.fromhex("48465265706f4d6574614461746100556967456a7b815783a5bdd95ccdd14aa9")
VERSION = 2
RECORD_BYTES = 48
BOOKEND = b"\xff" * 32 + bytes(16)
HAS_RANGE_HASHES = 1 << 31
HAS_SHA256 = 1 << 30

_HEADER = struct.Struct("<32sQQ")
_FILE = struct.Struct("<32sII8x")
_XORB = struct.Struct("<32sIIII")
_HASH = struct.Struct("<32s16x")
_FOOTER = struct.Struct("<QQQ6Q32sQQ48xQQQQ")
_FOOTER_VERSION = 1

TERM = np.dtype([("xorb", "V32"), ("flags", "<u4"), ("raw", "<u4"), ("first", "<u4"), ("end", "<u4")])
_CHUNK = np.dtype([("hash", "V32"), ("start", "<u4"), ("raw", "<u4"), ("flags", "<u4"), ("unused", "V4")])


@dataclass(frozen=True, slots=True)
class Term:
    """A run of chunks first..end (exclusive) of a xorb, and its uncompressed bytes."""

    xorb: bytes
    first: int
    end: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms as they lie in a shard: 48 bytes each, unpacked one at a time."""

    table: NDArray[np.void]

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Self:
        """Pack terms."""
        rows = [(term.xorb, 0, term.raw_bytes, term.first, term.end) for term in terms]
        return cls(np.array(rows, TERM))

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Term]:
        for at in range(0, len(self.table), TERMS_AT_ONCE):
            part = self.table[at : at + TERMS_AT_ONCE]
            columns = (part["xorb"].tolist(), part["first"].tolist(), part["end"].tolist())
            for row in zip(*columns, part["raw"].tolist(), strict=True):
                yield Term(*row)

    def xorbs(self) -> set[bytes]:
        """The xorbs that they name."""
        return set(self.table["xorb"].tolist())

    @property
    def raw_bytes(self) -> int:
        """Uncompressed bytes of all of them."""
        return int(self.table["raw"].sum(dtype=np.uint64))

    @property
    def chunks(self) -> int:
        """Chunks of all of them; a run that ends before it begins has none."""
        lengths = self.table["end"].astype(np.int64) - self.table["first"]
        return int(np.clip(lengths, 0, CHUNKS_MAX).sum())


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file: its name, its terms in order, its SHA-256 if sent.

    `range_hashes` has 48 bytes a term, of which the first 32 are the hash; None if they were not sent.
    """

    hash: bytes
    terms: Terms
    range_hashes: memoryview | None = None
    sha256: bytes | None = None

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return self.terms.raw_bytes

    def range_hash(self, at: int) -> bytes:
        """The range hash of one term."""
        if self.range_hashes is None:
            raise IndexError(at)
        start = at * RECORD_BYTES
        return bytes(self.range_hashes[start : start + hashes.HASH_BYTES])


@dataclass(frozen=True, slots=True)
class ShardXorb:
    """One xorb: its name and its chunks' names and uncompressed lengths."""

    hash: bytes
    chunk_hashes: bytes
    raw_lengths: NDArray[np.uint32]
    stored_bytes: int = 0

    def __len__(self) -> int:
        return len(self.raw_lengths)

    @property
    def raw_bytes(self) -> int:
        """All chunks, uncompressed."""
        return int(self.raw_lengths.sum(dtype=np.uint64))

    def describes(self, layout: Layout) -> bool:
        """True if these are exactly the chunks of a stored xorb."""
        return self.chunk_hashes == layout.hashes and self.raw_lengths.tolist() == layout.raw_lengths(
            0, len(layout)
        )


@dataclass(frozen=True, slots=True)
class Shard:
    """The content of one upload."""

    files: Sequence[ShardFile] = field(default_factory=list)
    xorbs: Sequence[ShardXorb] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a deduplication answer: the key that blinds its chunk hashes, and its end of use.

    Times are Unix seconds.
    """

    key: bytes
    created_s: int
    expires_s: int


class _Records:
    """A cursor over records that refuses to look past the end."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int = 1) -> memoryview:
        end = self._at + count * RECORD_BYTES
        if end > len(self._data):
            raise Malformed("The shard ends inside a section.")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def until_bookend(self) -> Iterator[memoryview]:
        while (record := self.take()) != BOOKEND:
            yield record


def read_shard(data: bytes | memoryview) -> Shard:
    """Parse an uploaded shard. No count is believed before the bytes that it promises are there.

    Raises Malformed.
    """
    if len(data) > SHARD_MAX:
        raise Malformed(f"A shard has at most {SHARD_MAX} bytes.")
    records = _Records(memoryview(data))
    tag, version, _footer = _HEADER.unpack(records.take())
    if tag != TAG:
        raise Malformed("This is not a shard: its tag is wrong.")
    if version != VERSION:
        raise Malformed(f"Shard version {version} is not known.")
    files: list[ShardFile] = []
    xorbs: list[ShardXorb] = []
    for record in records.until_bookend():
        if len(files) == FILES_MAX:
            raise Malformed(f"A shard describes at most {FILES_MAX} files.")
        files.append(_read_file(records, record))
    for record in records.until_bookend():
        if len(xorbs) == XORBS_MAX:
            raise Malformed(f"A shard describes at most {XORBS_MAX} xorbs.")
        xorbs.append(_read_xorb(records, record))
    return Shard(files, xorbs)


def _read_file(records: _Records, record: memoryview) -> ShardFile:
    name, flags, count = _FILE.unpack(record)
    table = np.frombuffer(records.take(count), TERM)
    if (table["flags"] != 0).any():
        raise Malformed("A term carries flags that are not known.")
    proofs = records.take(count) if flags & HAS_RANGE_HASHES else None
    sha256 = _ungrouped(_HASH.unpack(records.take())[0]) if flags & HAS_SHA256 else None
    if flags & ~(HAS_RANGE_HASHES | HAS_SHA256):
        raise Malformed("A file carries flags that are not known.")
    return ShardFile(name, Terms(table), proofs, sha256)


def _read_xorb(records: _Records, record: memoryview) -> ShardXorb:
    name, _flags, count, raw_bytes, stored_bytes = _XORB.unpack(record)
    if not 1 <= count <= CHUNKS_MAX:
        raise Malformed(f"A xorb holds 1 to {CHUNKS_MAX} chunks, not {count}.")
    table = np.frombuffer(records.take(count), _CHUNK)
    lengths = table["raw"].astype(np.uint32)
    starts = np.cumsum(lengths, dtype=np.uint64) - lengths
    xorb = ShardXorb(name, table["hash"].tobytes(), lengths, stored_bytes)
    if xorb.raw_bytes != raw_bytes or (table["start"] != starts).any():
        raise Malformed("The chunk table of a xorb contradicts its sizes.")
    return xorb


def write_shard(shard: Shard, footer: Footer | None = None) -> bytes:
    """The bytes of a shard; with a footer, of a deduplication answer (its chunk hashes get blinded)."""
    parts = [_HEADER.pack(TAG, VERSION, _FOOTER.size if footer else 0)]
    for file in shard.files:
        parts += _file_records(file)
    parts.append(BOOKEND)
    xorbs_at = sum(map(len, parts))
    for xorb in shard.xorbs:
        parts += _xorb_records(xorb, footer.key if footer else None)
    parts.append(BOOKEND)
    if footer:
        end = sum(map(len, parts))
        lookups = (end, 0) * 3
        totals = (
            sum(xorb.stored_bytes for xorb in shard.xorbs),
            sum(file.size for file in shard.files),
            sum(xorb.raw_bytes for xorb in shard.xorbs),
        )
        times = (footer.created_s, footer.expires_s)
        start = (_FOOTER_VERSION, RECORD_BYTES, xorbs_at)
        parts.append(_FOOTER.pack(*start, *lookups, footer.key, *times, *totals, end))
    return b"".join(parts)


def _file_records(file: ShardFile) -> Iterable[bytes]:
    flags = 0
    if file.range_hashes is not None:
        flags |= HAS_RANGE_HASHES
    if file.sha256 is not None:
        flags |= HAS_SHA256
    yield _FILE.pack(file.hash, flags, len(file.terms))
    yield file.terms.table.tobytes()
    if file.range_hashes is not None:
        yield bytes(file.range_hashes)
    if file.sha256 is not None:
        yield _HASH.pack(_ungrouped(file.sha256))


def _xorb_records(xorb: ShardXorb, key: bytes | None) -> Iterable[bytes]:
    yield _XORB.pack(xorb.hash, 0, len(xorb), xorb.raw_bytes, xorb.stored_bytes)
    table = np.zeros(len(xorb), _CHUNK)
    width = hashes.HASH_BYTES
    names = xorb.chunk_hashes
    if key is not None:
        names = b"".join(hashes.blinded(names[at : at + width], key) for at in range(0, len(names), width))
    table["hash"] = np.frombuffer(names, "V32")
    table["raw"] = xorb.raw_lengths
    table["start"] = np.cumsum(xorb.raw_lengths, dtype=np.uint64) - xorb.raw_lengths
    yield table.tobytes()


def _ungrouped(value: bytes) -> bytes:
    """A SHA-256 stands in a shard with each group of eight bytes reversed; the reversal undoes itself."""
    return bytes.fromhex(hashes.to_text(value))
