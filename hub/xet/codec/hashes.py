"""Xet's hashes: BLAKE3 under a key for each purpose, and a tree of variable width over chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TypeAlias

from blake3 import blake3

from foundation.hex_digits import SHA256
from hub.xet.codec.errors import Malformed

HASH_BYTES = 32
ZERO = bytes(HASH_BYTES)
DATA_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
VERIFY_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")

# A tree node takes two to nine entries; it ends after the first whose hash divides by four.
GROUP_SMALLEST = 3
GROUP_LARGEST = 9
GROUP_DIVISOR = 4
# One chunk in about a thousand is worth a row in the deduplication index.
ELIGIBLE_DIVISOR = 1024

_WORDS = struct.Struct("<4Q")
_TURNED = struct.Struct(">4Q")
_TAIL = struct.Struct("<Q")

Sized: TypeAlias = tuple[bytes, int]
"""A hash and how many uncompressed bytes it stands for."""


def to_text(value: bytes) -> str:
    """The text form: each group of eight bytes is printed as one little-endian number."""
    return _TURNED.pack(*_WORDS.unpack(value)).hex()


def from_text(text: str) -> bytes:
    """The 32 bytes behind a text form. Raises Malformed unless it is 64 lowercase hex digits."""
    if not SHA256.fullmatch(text):
        raise Malformed("A hash is 64 lowercase hexadecimal digits.")
    return _WORDS.pack(*(int(text[at : at + 16], 16) for at in range(0, 64, 16)))


def chunk_hash(data: bytes | memoryview) -> bytes:
    """The name of a chunk, from its uncompressed bytes."""
    return blake3(data, key=DATA_KEY).digest()


class TreeHasher:
    """The root over (hash, length) pairs as they come, in memory that grows with the tree's height only."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    def add(self, value: bytes, length: int) -> None:
        """Append a leaf, and close every group that it completes."""
        for level in self._levels:
            if not level.add(value, length):
                return
            value, length = level.close()
        level = _Level()
        level.add(value, length)
        self._levels.append(level)

    def root(self) -> bytes:
        """Close what is open: zero for no leaf, the hash itself for a single one. Call it once."""
        carried: Sized | None = None
        for level in self._levels:
            if carried is not None:
                level.add(*carried)
            if level.total == 1:
                return level.group[0][0]
            carried = level.close() if level.group else None
        return ZERO if carried is None else carried[0]


class _Level:
    """One height of the tree: the open group, and how many entries there were in all."""

    def __init__(self) -> None:
        self.group: list[Sized] = []
        self.total = 0

    def add(self, value: bytes, length: int) -> bool:
        """Append an entry and say whether the group is complete."""
        self.group.append((value, length))
        self.total += 1
        size = len(self.group)
        return size == GROUP_LARGEST or (size >= GROUP_SMALLEST and _tail(value) % GROUP_DIVISOR == 0)

    def close(self) -> Sized:
        """The parent of the group; the next one begins."""
        text = "".join(f"{to_text(value)} : {length}\n" for value, length in self.group)
        parent = blake3(text.encode(), key=NODE_KEY).digest(), sum(length for _, length in self.group)
        self.group = []
        return parent


def tree_hash(entries: Iterable[Sized]) -> bytes:
    """The root over (hash, length) pairs: zero for none, the hash itself for a single one."""
    tree = TreeHasher()
    for value, length in entries:
        tree.add(value, length)
    return tree.root()


def xorb_hash(chunks: Iterable[Sized]) -> bytes:
    """The name of a xorb, from its chunks in order."""
    return tree_hash(chunks)


def file_hash(chunks: Iterable[Sized]) -> bytes:
    """The name of a file, from all its chunks in order; 32 zero bytes for an empty file."""
    return file_hash_of_root(tree_hash(chunks))


def file_hash_of_root(root: bytes) -> bytes:
    """The name of a file, from the root over its chunks."""
    return root if root == ZERO else blake3(root, key=ZERO).digest()


def range_hash(chunk_hashes: bytes | memoryview) -> bytes:
    """Proof of knowing a run of chunks, from their concatenated hashes."""
    return blake3(chunk_hashes, key=VERIFY_KEY).digest()


def blinded(value: bytes, key: bytes) -> bytes:
    """A chunk hash as a deduplication answer shows it: only a client that has the chunk recognizes it."""
    return blake3(value, key=key).digest()


def is_eligible(value: bytes) -> bool:
    """True if clients ask the deduplication index for this chunk wherever it occurs."""
    return _tail(value) % ELIGIBLE_DIVISOR == 0


def _tail(value: bytes) -> int:
    return int(_TAIL.unpack_from(value, HASH_BYTES - _TAIL.size)[0])
