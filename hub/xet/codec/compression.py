"""The compression of chunks: none, an LZ4 frame, or grouping of every fourth byte and then LZ4."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import lz4.frame

from hub.xet.codec.errors import Malformed

GROUPS = 4

Bytes: TypeAlias = bytes | memoryview
"""Bytes of their own, or a part of a larger block."""


class Scheme(IntEnum):
    """The scheme byte of a chunk header."""

    NONE = 0
    LZ4 = 1
    GROUPED_LZ4 = 2


def unpack(scheme: int, stored: Bytes, raw_bytes: int) -> Bytes:
    """The uncompressed chunk. Never allocates much more than `raw_bytes`, whatever the frame claims.

    Raises Malformed when the scheme is unknown or the data is not exactly `raw_bytes` long.
    """
    if scheme == Scheme.NONE:
        if len(stored) != raw_bytes:
            raise Malformed(f"An uncompressed chunk of {raw_bytes} bytes is stored in {len(stored)}.")
        return stored
    if scheme == Scheme.LZ4:
        return _unframed(stored, raw_bytes)
    if scheme == Scheme.GROUPED_LZ4:
        return joined(_unframed(stored, raw_bytes))
    raise Malformed(f"Compression scheme {scheme} is not known.")


def pack(scheme: Scheme, raw: bytes) -> bytes:
    """The stored form of a chunk under one scheme."""
    if scheme is Scheme.NONE:
        return raw
    return _framed(raw if scheme is Scheme.LZ4 else grouped(raw))


def pack_smallest(raw: bytes) -> tuple[Scheme, bytes]:
    """The scheme that makes this chunk smallest, and its stored form."""
    options = [(scheme, pack(scheme, raw)) for scheme in Scheme]
    return min(options, key=lambda option: len(option[1]))


def grouped(raw: bytes) -> bytes:
    """First all bytes at positions 0 mod 4, then 1 mod 4, and so on: floats compress better so."""
    return b"".join(raw[start::GROUPS] for start in range(GROUPS))


def joined(data: bytes) -> bytes:
    """The inverse of `grouped`."""
    size, at = len(data), 0
    out = bytearray(size)
    for start in range(GROUPS):
        length = (size - start + GROUPS - 1) // GROUPS
        out[start::GROUPS] = data[at : at + length]
        at += length
    return bytes(out)


def _framed(raw: bytes) -> bytes:
    frame: bytes = lz4.frame.compress(
        raw, block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=False, store_size=False
    )
    return frame


def _unframed(frame: Bytes, raw_bytes: int) -> bytes:
    decompressor = lz4.frame.LZ4FrameDecompressor()
    try:
        # One byte more than promised, so that a frame which holds more is seen to.
        raw: bytes = decompressor.decompress(frame, max_length=raw_bytes + 1)
    except RuntimeError as error:
        raise Malformed("A chunk is not a whole LZ4 frame.") from error
    if len(raw) != raw_bytes or not decompressor.eof or decompressor.unused_data:
        raise Malformed(f"An LZ4 chunk does not unpack to exactly {raw_bytes} bytes.")
    return raw
