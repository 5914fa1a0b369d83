"""Facts of a model from the headers of its GGUF files.

Source: the GGUF specification in the ggml project, versions 1 to 3, in both byte orders. Version 1 has
lengths of 32 bits where later ones have 64.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from foundation.byte_ranges import ReadRange
from hub.revisions.facts.front_matter import clean
from hub.revisions.facts.ranges import HeaderReader, Truncated

HEADER_BYTES_MAX = 48 * 1024 * 1024
ENTRIES_MAX = 4_096
TENSORS_MAX = 100_000
TEXT_MAX = 1024 * 1024
# Elements of arrays that are gone through one by one: a vocabulary and its merges, with room to spare.
ELEMENTS_MAX = 1_500_000
KEPT_TEXT_MAX = 64 * 1024
COUNT_MAX = 2**62
VERSION_MAX = 3
# Files beside a model, recognized by their type, else by their architecture. Their facts are marked.
OTHER_TYPES = frozenset({"mmproj", "projector", "adapter", "imatrix", "vocab"})
OTHER_ARCHITECTURES = frozenset({"clip", "imatrix"})
IS_OTHER = "is_other"
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf\Z")
ARRAY = 9
STRING = 8
# Value type → struct format.
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class _Malformed(Exception):
    pass


class _Numbers:
    """Numbers of one file: in its byte order, with lengths of its width; counts the elements of arrays."""

    def __init__(self, reader: HeaderReader) -> None:
        """Reads the magic number and the version. Raises: _Malformed, Truncated."""
        self.reader = reader
        if reader.take(4) != b"GGUF":
            raise _Malformed
        version = reader.take(4)
        by_order = {order: struct.unpack(f"{order}I", version)[0] for order in "<>"}
        known = [(order, number) for order, number in by_order.items() if 1 <= number <= VERSION_MAX]
        if not known:
            raise _Malformed
        self.order, number = known[0]
        self.length = "I" if number == 1 else "Q"
        self._elements_left = ELEMENTS_MAX

    def take(self, format_: str) -> Any:
        format_ = self.order + format_
        return struct.unpack(format_, self.reader.take(struct.calcsize(format_)))[0]

    def take_length(self) -> int:
        return int(self.take(self.length))

    def text(self) -> str:
        length = self.take_length()
        if length > TEXT_MAX:
            raise _Malformed
        return self.reader.take(length).decode("utf-8", "replace")

    def spend(self, count: int) -> None:
        """Raises: _Malformed when arrays have more elements than are gone through."""
        self._elements_left -= count
        if self._elements_left < 0:
            raise _Malformed


def _value(numbers: _Numbers, kind: int, depth: int = 0) -> Any:
    """A scalar, or None for an array, which is passed over."""
    if kind in NUMBERS:
        return numbers.take(NUMBERS[kind])
    if kind == STRING:
        return numbers.text()
    if kind != ARRAY or depth > 2:
        raise _Malformed
    inner, length = numbers.take("I"), numbers.take_length()
    if inner in NUMBERS:
        numbers.reader.skip(struct.calcsize(f"<{NUMBERS[inner]}") * length)
        return None
    numbers.spend(length)
    for _ in range(length):
        if inner == STRING:
            numbers.reader.skip(numbers.take_length())
        else:
            _value(numbers, inner, depth + 1)
    return None


def read(read_range: ReadRange) -> dict[str, Any] | None:
    """The info object's `gguf`: `{total, architecture, context_length?, …}`, or None when malformed."""
    reader = HeaderReader(read_range, bytes_max=HEADER_BYTES_MAX)
    try:
        facts: dict[str, Any] = clean(_read(reader))
    except (Truncated, _Malformed, struct.error, OverflowError):
        return None
    return facts


def _read(reader: HeaderReader) -> dict[str, Any]:
    numbers = _Numbers(reader)
    tensors, entries = numbers.take_length(), numbers.take_length()
    if tensors > TENSORS_MAX or entries > ENTRIES_MAX:
        raise _Malformed
    values: dict[str, Any] = {}
    for _ in range(entries):
        name = numbers.text()
        value = _value(numbers, numbers.take("I"))
        if value is not None and not (isinstance(value, str) and len(value) > KEPT_TEXT_MAX):
            values[name] = value
    parameters = 0
    for _ in range(tensors):
        reader.skip(numbers.take_length())
        dimensions = numbers.take("I")
        if dimensions > 8:
            raise _Malformed
        parameters += math.prod(numbers.take_length() for _ in range(dimensions))
        reader.take(4 + 8)
    if parameters > COUNT_MAX:
        raise _Malformed
    architecture = values.get("general.architecture")
    facts: dict[str, Any] = {"total": parameters}
    if isinstance(architecture, str):
        facts["architecture"] = architecture
    if values.get("general.type") in OTHER_TYPES or architecture in OTHER_ARCHITECTURES:
        return facts | {IS_OTHER: True}
    context = values.get(f"{architecture}.context_length")
    if isinstance(context, int) and isinstance(architecture, str):
        facts["context_length"] = context
    for field, name in (
        ("chat_template", "tokenizer.chat_template"),
        ("quantize_imatrix_file", "quantize.imatrix.file"),
    ):
        if isinstance(values.get(name), str):
            facts[field] = values[name]
    return facts


def read_total(read_range: ReadRange) -> dict[str, Any] | None:
    """As `read`, for a shard behind the first: only how many parameters it adds."""
    found = read(read_range)
    return None if found is None else {"total": found["total"]}


def models(paths: Iterable[str]) -> list[list[str]]:
    """The GGUF files of a repository, grouped by model: the shards of one together, in order.

    Those at the root come first, then by path; a repository's models are mostly roundings of one. Groups
    that miss a shard come last. Vision projectors are left out by their names; the rest shows in the header.
    """
    groups: dict[tuple[str, int], list[str]] = {}
    for path in sorted(paths, key=lambda path: ("/" in path, path)):
        name = path.rpartition("/")[2].lower()
        if not name.endswith(".gguf") or "mmproj" in name:
            continue
        shard = _SHARD.search(path)
        model, shards = (path[: shard.start()], int(shard[2])) if shard else (path, 1)
        groups.setdefault((model, shards), []).append(path)
    return [
        *(found for (_, shards), found in groups.items() if len(found) == shards),
        *(found for (_, shards), found in groups.items() if len(found) != shards),
    ]


def combine(headers: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """One model's facts from the headers of its shards, in order; None for what is no model by itself.

    The first shard describes the model; parameters are added.
    """
    if not headers or any(header.get(IS_OTHER) for header in headers):
        return None
    total = sum(header["total"] for header in headers)
    found = {**headers[0], "total": total}
    return found if total <= COUNT_MAX and headers[0].get("architecture") not in OTHER_ARCHITECTURES else None
