"""The number of parameters in a safetensors file, from its header alone.

Source: the safetensors format: 8 bytes little-endian length, then that many bytes of JSON.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from foundation.byte_ranges import ReadRange
from hub.revisions.facts.ranges import HeaderReader, Truncated

HEADER_BYTES_MAX = 25 * 1024 * 1024
INDEX_NAME = "model.safetensors.index.json"
INDEX_BYTES_MAX = 32 * 1024 * 1024
SHARDS_MAX = 512
ELEMENTS_MAX = 1_000_000
METADATA_CHARS_MAX = 10_000
COUNT_MAX = 2**62
# The file's word → how many bits a stored number has; anything else is not counted.
DTYPES = frozenset(
    """
    F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL F8_E4M3 F8_E5M2 F8_E8M0 F4 F6_E2M3 F6_E3M2 C64
    """.split()
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file: its name, the type of its numbers, and its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """All tensors of a file in its order, and its `__metadata__`."""

    tensors: list[Tensor]
    metadata: dict[str, str]


def parse_tensors(header: bytes) -> Header | None:
    """The tensors that a header names, or None when this is no safetensors header.

    Sizes are whole numbers from 0 up, at most 16 for a tensor; other types of number are unknown.
    """
    # Each bracket and comma becomes an object: a header of nothing else would take fifty times its bytes.
    if sum(map(header.count, (b"[", b"{", b","))) > ELEMENTS_MAX:
        return None
    try:
        found = json.loads(header)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    said = found.pop("__metadata__", None)
    tensors: list[Tensor] = []
    for name, tensor in found.items():
        read = _tensor(name, tensor)
        if read is None:
            return None
        tensors.append(read)
    metadata = {
        key: value for key, value in (said if isinstance(said, dict) else {}).items() if value is not None
    }
    return Header(tensors, {key: str(value)[:METADATA_CHARS_MAX] for key, value in metadata.items()})


def _tensor(name: str, tensor: Any) -> Tensor | None:
    if not isinstance(tensor, dict):
        return None
    dtype, shape = tensor.get("dtype"), tensor.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPES or not isinstance(shape, list) or len(shape) > 16:
        return None
    if not all(type(size) is int and 0 <= size <= COUNT_MAX for size in shape):
        return None
    return Tensor(name, dtype, tuple(shape))


def parse_header(header: bytes) -> dict[str, int] | None:
    """Parameters by dtype, or None when this is no safetensors header."""
    found = parse_tensors(header)
    if found is None:
        return None
    counts: Counter[str] = Counter()
    for tensor in found.tensors:
        counts[tensor.dtype] += tensor.parameters
        if counts[tensor.dtype] > COUNT_MAX:
            return None
    return dict(counts)


def read_tensors(read_range: ReadRange, *, bytes_max: int) -> Header | None:
    """The tensors of one file whose header has at most `bytes_max` bytes; None otherwise."""
    header = _header(read_range, bytes_max)
    return None if header is None else parse_tensors(header)


def read(read_range: ReadRange) -> dict[str, int] | None:
    """Parameters by dtype of one file, or None when it is malformed."""
    header = _header(read_range, HEADER_BYTES_MAX)
    return None if header is None else parse_header(header)


def _header(read_range: ReadRange, bytes_max: int) -> bytes | None:
    reader = HeaderReader(read_range, bytes_max=bytes_max + 8, step=64 * 1024)
    try:
        (length,) = struct.unpack("<Q", reader.take(8))
        return reader.take(length) if 2 <= length <= bytes_max else None
    except Truncated:
        return None


def total(counts: Iterable[Mapping[str, int]]) -> dict[str, object] | None:
    """The info object's `safetensors`: `{parameters: {dtype: n}, total}` over all files, or None."""
    added: Counter[str] = Counter()
    for one in counts:
        added.update(one)
    if not added:
        return None
    return {"parameters": dict(sorted(added.items())), "total": sum(added.values())}


def files(names: Iterable[str], index: bytes | None) -> list[str]:
    """Those of a repository's files that hold the model's weights, without adapters and other variants."""
    at_root = sorted(name for name in names if name.endswith(".safetensors") and "/" not in name)
    if index is not None:
        try:
            weights = json.loads(index)["weight_map"]
            shards = {shard for shard in weights.values() if isinstance(shard, str)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            shards = set()
        listed = [name for name in at_root if name in shards]
        if listed:
            return listed[:SHARDS_MAX]
    for name in ("model.safetensors", "adapter_model.safetensors"):
        if name in at_root:
            return [name]
    sharded = [name for name in at_root if name.startswith("model-") and "-of-" in name]
    return (sharded or at_root[:1])[:SHARDS_MAX]
