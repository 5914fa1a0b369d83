"""How many parameters a safetensors file holds, from its header alone.

Source: the safetensors format: 8 bytes little-endian length, then that many bytes of JSON.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping

from hub.revisions.facts.ranges import HeaderReader, ReadRange, Truncated

HEADER_BYTES_MAX = 25 * 1024 * 1024
INDEX_NAME = "model.safetensors.index.json"
INDEX_BYTES_MAX = 32 * 1024 * 1024
SHARDS_MAX = 512
COUNT_MAX = 2**62
# The file's word → how many bits a stored number has; anything else is not counted.
DTYPES = frozenset(
    """
    F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL F8_E4M3 F8_E5M2 F8_E8M0 F4 F6_E2M3 F6_E3M2 C64
    """.split()
)


def parse_header(header: bytes) -> dict[str, int] | None:
    """Parameters by dtype, or None when this is no safetensors header."""
    try:
        tensors = json.loads(header)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tensors, dict):
        return None
    counts: Counter[str] = Counter()
    for name, tensor in tensors.items():
        if name == "__metadata__":
            continue
        if not isinstance(tensor, dict):
            return None
        dtype, shape = tensor.get("dtype"), tensor.get("shape")
        if dtype not in DTYPES or not isinstance(shape, list) or len(shape) > 16:
            return None
        if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape):
            return None
        counts[dtype] += math.prod(shape)
        if counts[dtype] > COUNT_MAX:
            return None
    return dict(counts)


def read(read_range: ReadRange) -> dict[str, int] | None:
    """Parameters by dtype of one file, or None when it is malformed."""
    reader = HeaderReader(read_range, bytes_max=HEADER_BYTES_MAX + 8, step=64 * 1024)
    try:
        (length,) = struct.unpack("<Q", reader.take(8))
        if not 2 <= length <= HEADER_BYTES_MAX:
            return None
        return parse_header(reader.take(length))
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
    """Which of a repository's files hold the model's weights, adapters and other variants apart."""
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
