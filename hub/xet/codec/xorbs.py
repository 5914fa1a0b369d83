"""Xorbs: up to 64 MiB of chunks back to back, each behind a header of eight bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.xet.codec import compression, hashes
from hub.xet.codec.compression import Bytes, Scheme
from hub.xet.codec.errors import Malformed
from hub.xet.codec.hashes import Sized

CHUNK_RAW_MAX = 128 * 1024
CHUNK_STORED_MAX = 256 * 1024
CHUNKS_MAX = 8192
RAW_MAX = 64 * 1024 * 1024
HEADER = struct.Struct("<B3sB3s")
# Incompressible data is stored as it is, so headers are all that a xorb may add.
STORED_MAX = RAW_MAX + CHUNKS_MAX * HEADER.size
# Very old clients end a xorb with a footer that says again what the headers say.
FOOTER_TAG = b"XETBLOB"
VERSION = 0
OFFSET = np.dtype("<u4")

BLOCK_BYTES = 1024 * 1024

Read: TypeAlias = Callable[[int], bytes]
"""Gives up to n bytes, and none only at the end of the stream."""


class StoredChunk(NamedTuple):
    """One chunk as it lies in a xorb: `data` may be a part of a larger block."""

    scheme: int
    raw_bytes: int
    data: Bytes

    @property
    def stored_bytes(self) -> int:
        """The bytes it takes, header included."""
        return HEADER.size + len(self.data)

    def unpack(self) -> Bytes:
        """The uncompressed bytes, not copied where they are stored as they are. Raises Malformed."""
        return compression.unpack(self.scheme, self.data, self.raw_bytes)


class _Blocks:
    """A stream that is read in large blocks and taken in small pieces, without copies.

    Only what lies across the end of a block is joined.
    """

    def __init__(self, read: Read, first: memoryview | None = None) -> None:
        self._read = read
        self._block = memoryview(b"") if first is None else first
        self._at = 0

    def take(self, size: int) -> Bytes:
        """The next `size` bytes; fewer only at the end."""
        end = self._at + size
        if end > len(self._block):
            return self._across(size)
        piece = self._block[self._at : end]
        self._at = end
        return piece

    def _across(self, size: int) -> bytes:
        parts = [self._block[self._at :]]
        missing = size - len(parts[0])
        self._at = len(self._block)
        while missing and (block := self._read(BLOCK_BYTES)):
            self._block = memoryview(block)
            self._at = min(missing, len(block))
            parts.append(self._block[: self._at])
            missing -= self._at
        return b"".join(parts)


def read_chunks(read: Read) -> Iterator[StoredChunk]:
    """Walk chunks from a stream, one at a time, until it ends or a footer begins.

    Raises Malformed for a header out of bounds or data that is cut short.
    """
    return _walked(_Blocks(read))


def chunks_in(stored: memoryview) -> Iterator[StoredChunk]:
    """The same for bytes that are there: chunks stored as they are share their memory."""
    return _walked(_Blocks(lambda _: b"", stored))


def _walked(blocks: _Blocks) -> Iterator[StoredChunk]:
    while header := blocks.take(HEADER.size):
        # One number for the four fields: half of the time that a chunk takes here is for its header.
        fields = int.from_bytes(header, "little")
        version, stored_bytes = fields & 0xFF, fields >> 8 & 0xFFFFFF
        scheme, raw_bytes = fields >> 32 & 0xFF, fields >> 40
        if version != VERSION and header[: len(FOOTER_TAG)] == FOOTER_TAG:
            return
        if len(header) < HEADER.size:
            raise Malformed("The xorb ends inside a chunk header.")
        if version != VERSION:
            raise Malformed(f"Chunk header version {version} is not known.")
        if not 1 <= raw_bytes <= CHUNK_RAW_MAX:
            raise Malformed(f"A chunk has 1 to {CHUNK_RAW_MAX} bytes, not {raw_bytes}.")
        if not 1 <= stored_bytes <= CHUNK_STORED_MAX:
            raise Malformed(f"A chunk is stored in 1 to {CHUNK_STORED_MAX} bytes, not {stored_bytes}.")
        data = blocks.take(stored_bytes)
        if len(data) < stored_bytes:
            raise Malformed("The xorb ends inside a chunk.")
        yield StoredChunk(scheme, raw_bytes, data)


@dataclass(frozen=True, slots=True)
class Layout:
    """The offsets and hashes of the chunks of a xorb: all that the server keeps in its tables.

    `hashes` holds 32 bytes a chunk. `stored_ends` and `raw_ends` hold the offset behind each chunk, in the
    stored xorb and in its uncompressed bytes.
    """

    hashes: bytes
    stored_ends: NDArray[np.uint32]
    raw_ends: NDArray[np.uint32]

    @classmethod
    def unpack(cls, *, hashes: bytes, stored_ends: bytes, raw_ends: bytes) -> Self:
        """From the packed form that `pack_stored_ends` and `pack_raw_ends` give."""
        return cls(hashes, np.frombuffer(stored_ends, OFFSET), np.frombuffer(raw_ends, OFFSET))

    def pack_stored_ends(self) -> bytes:
        """Little-endian u32 a chunk."""
        return self.stored_ends.astype(OFFSET).tobytes()

    def pack_raw_ends(self) -> bytes:
        """Little-endian u32 a chunk."""
        return self.raw_ends.astype(OFFSET).tobytes()

    def __len__(self) -> int:
        return len(self.raw_ends)

    @property
    def raw_bytes(self) -> int:
        """All chunks, uncompressed."""
        return int(self.raw_ends[-1])

    @property
    def stored_bytes(self) -> int:
        """The whole xorb as stored."""
        return int(self.stored_ends[-1])

    def chunk_hashes(self, first: int, end: int) -> bytes:
        """The concatenated hashes of chunks first..end (exclusive)."""
        return self.hashes[first * hashes.HASH_BYTES : end * hashes.HASH_BYTES]

    def sized_chunks(self, first: int, end: int) -> list[Sized]:
        """The (hash, raw length) pairs of chunks first..end (exclusive)."""
        width = hashes.HASH_BYTES
        return [
            (self.hashes[at * width : (at + 1) * width], length)
            for at, length in zip(range(first, end), self.raw_lengths(first, end), strict=True)
        ]

    def raw_lengths(self, first: int, end: int) -> list[int]:
        """The uncompressed length of each of chunks first..end (exclusive)."""
        lengths: list[int] = np.diff(self.raw_ends[first:end], prepend=self.raw_start(first)).tolist()
        return lengths

    def raw_start(self, chunk: int) -> int:
        """Offset of a chunk in the uncompressed bytes; of the end, for the number of chunks."""
        return int(self.raw_ends[chunk - 1]) if chunk else 0

    def stored_start(self, chunk: int) -> int:
        """Offset of a chunk's header in the stored xorb; of the end, for the number of chunks."""
        return int(self.stored_ends[chunk - 1]) if chunk else 0

    def raw_size(self, first: int, end: int) -> int:
        """Uncompressed bytes of chunks first..end (exclusive)."""
        return self.raw_start(end) - self.raw_start(first)


def read_layout(read: Read) -> Layout:
    """Verify a whole xorb as it streams by, in the memory of one block, and learn its layout.

    Every chunk is unpacked and hashed. Bytes behind the layout's `stored_bytes` are the footer of an old
    client. Raises Malformed for a malformed xorb or one over a limit, at most one block after the fault.
    """
    names = bytearray()
    stored_ends: list[int] = []
    raw_ends: list[int] = []
    stored = raw = 0
    for chunk in read_chunks(read):
        stored += chunk.stored_bytes
        raw += chunk.raw_bytes
        if len(raw_ends) == CHUNKS_MAX:
            raise Malformed(f"A xorb holds at most {CHUNKS_MAX} chunks.")
        if raw > RAW_MAX or stored > STORED_MAX:
            raise Malformed(f"A xorb holds at most {RAW_MAX} bytes.")
        names += hashes.chunk_hash(chunk.unpack())
        stored_ends.append(stored)
        raw_ends.append(raw)
    if not raw_ends:
        raise Malformed("A xorb holds at least one chunk.")
    return Layout(bytes(names), np.array(stored_ends, OFFSET), np.array(raw_ends, OFFSET))


def layout_hash(layout: Layout) -> bytes:
    """The name that a xorb of this layout must have."""
    return hashes.xorb_hash(layout.sized_chunks(0, len(layout)))


def pack_chunk(raw: bytes, scheme: Scheme | None = None) -> bytes:
    """One chunk with its header; without a scheme, under the one that makes it smallest."""
    if not 1 <= len(raw) <= CHUNK_RAW_MAX:
        raise ValueError(f"A chunk has 1 to {CHUNK_RAW_MAX} bytes, not {len(raw)}.")
    if scheme is None:
        scheme, data = compression.pack_smallest(raw)
    else:
        data = compression.pack(scheme, raw)
    lengths = (len(data).to_bytes(3, "little"), len(raw).to_bytes(3, "little"))
    return HEADER.pack(VERSION, lengths[0], scheme, lengths[1]) + data


class XorbWriter:
    """Collects chunks into a file until a xorb is full."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._names = bytearray()
        self._stored_ends: list[int] = []
        self._raw_ends: list[int] = []

    def __len__(self) -> int:
        return len(self._raw_ends)

    def has_room_for(self, raw: bytes) -> bool:
        """True if one more chunk stays inside the limits."""
        return len(self) < CHUNKS_MAX and self._raw_bytes + len(raw) <= RAW_MAX

    def add(self, raw: bytes) -> int:
        """Append a chunk and return its index."""
        packed = pack_chunk(raw)
        self._file.write(packed)
        self._names += hashes.chunk_hash(raw)
        self._stored_ends.append((self._stored_ends[-1] if self._stored_ends else 0) + len(packed))
        self._raw_ends.append(self._raw_bytes + len(raw))
        return len(self) - 1

    @property
    def _raw_bytes(self) -> int:
        return self._raw_ends[-1] if self._raw_ends else 0

    def layout(self) -> Layout:
        """Of the chunks written so far."""
        ends = (np.array(self._stored_ends, OFFSET), np.array(self._raw_ends, OFFSET))
        return Layout(bytes(self._names), *ends)


def serialize(chunks: Iterable[bytes], scheme: Scheme | None = None) -> bytes:
    """A small xorb in memory."""
    return b"".join(pack_chunk(raw, scheme) for raw in chunks)
