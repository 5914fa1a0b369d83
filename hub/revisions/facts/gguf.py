"""What a GGUF file says about its model, from its header alone.

Source: the GGUF specification in the ggml project, versions 2 and 3 (little endian).
"""

from __future__ import annotations

import math
import struct
from typing import Any

from hub.revisions.facts.front_matter import clean
from hub.revisions.facts.ranges import HeaderReader, ReadRange, Truncated

HEADER_BYTES_MAX = 48 * 1024 * 1024
ENTRIES_MAX = 4_096
TENSORS_MAX = 100_000
TEXT_MAX = 1024 * 1024
# Elements of arrays that are gone through one by one: a vocabulary and its merges, with room to spare.
ELEMENTS_MAX = 1_500_000
KEPT_TEXT_MAX = 64 * 1024
ARRAY = 9
STRING = 8
# Value type → struct format.
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class _Malformed(Exception):
    pass


def _number(reader: HeaderReader, format_: str) -> Any:
    return struct.unpack(f"<{format_}", reader.take(struct.calcsize(f"<{format_}")))[0]


def _text(reader: HeaderReader) -> str:
    length = _number(reader, "Q")
    if length > TEXT_MAX:
        raise _Malformed
    return reader.take(length).decode("utf-8", "replace")


class _Elements:
    """How many elements of arrays may still be gone through."""

    def __init__(self) -> None:
        self.left = ELEMENTS_MAX

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Malformed


def _value(reader: HeaderReader, kind: int, elements: _Elements, depth: int = 0) -> Any:
    """A scalar, or None for an array, which is passed over."""
    if kind in NUMBERS:
        return _number(reader, NUMBERS[kind])
    if kind == STRING:
        return _text(reader)
    if kind != ARRAY or depth > 2:
        raise _Malformed
    inner, length = _number(reader, "I"), _number(reader, "Q")
    if inner in NUMBERS:
        reader.skip(struct.calcsize(f"<{NUMBERS[inner]}") * length)
        return None
    elements.spend(length)
    for _ in range(length):
        if inner == STRING:
            reader.skip(_number(reader, "Q"))
        else:
            _value(reader, inner, elements, depth + 1)
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
    if reader.take(4) != b"GGUF" or _number(reader, "I") not in {2, 3}:
        raise _Malformed
    tensors, entries = _number(reader, "Q"), _number(reader, "Q")
    if tensors > TENSORS_MAX or entries > ENTRIES_MAX:
        raise _Malformed
    values: dict[str, Any] = {}
    elements = _Elements()
    for _ in range(entries):
        name = _text(reader)
        value = _value(reader, _number(reader, "I"), elements)
        if value is not None and not (isinstance(value, str) and len(value) > KEPT_TEXT_MAX):
            values[name] = value
    parameters = 0
    for _ in range(tensors):
        reader.skip(_number(reader, "Q"))
        dimensions = _number(reader, "I")
        if dimensions > 8:
            raise _Malformed
        parameters += math.prod(_number(reader, "Q") for _ in range(dimensions))
        reader.take(4 + 8)
    if parameters > 2**62:
        raise _Malformed
    architecture = values.get("general.architecture")
    facts: dict[str, Any] = {"total": parameters}
    if isinstance(architecture, str):
        facts["architecture"] = architecture
        context = values.get(f"{architecture}.context_length")
        if isinstance(context, int):
            facts["context_length"] = context
    for field, name in (
        ("chat_template", "tokenizer.chat_template"),
        ("quantize_imatrix_file", "quantize.imatrix.file"),
    ):
        if isinstance(values.get(name), str):
            facts[field] = values[name]
    return facts
