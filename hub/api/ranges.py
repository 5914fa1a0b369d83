"""HTTP byte ranges (RFC 9110, section 14), for every door that serves file content."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.errors import Refusal

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


class RangeNotSatisfiable(Refusal):
    """Rendered as 416 with `Content-Range: bytes */size`."""

    code = "range_not_satisfiable"
    message = "The file has {size} bytes; the range {asked} lies outside."


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`start` inclusive, `end` exclusive."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The one range asked for, or None for the whole file.

    Anything that is not a single well-formed byte range is ignored, as the RFC asks: unknown units,
    several ranges, nonsense. Raises: RangeNotSatisfiable when it begins at or past the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last = match[1], match[2]
    if len(first) > 20 or len(last) > 20:
        return None
    if not first:
        if not last:
            return None
        if int(last) == 0 or size == 0:
            raise RangeNotSatisfiable(size=size, asked=header)
        return ByteRange(max(0, size - int(last)), size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size=size, asked=header)
    return ByteRange(start, min(int(last) + 1, size) if last else size)
