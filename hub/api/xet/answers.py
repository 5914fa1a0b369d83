"""The answers of this dialect (docs/wire/xet.md). Requests have no JSON bodies: xorbs and shards are binary.

Ranges of chunks end before `end`. Ranges of bytes end at `end`, which belongs to them.
"""

from __future__ import annotations

from typing import Literal

from hub.api.structs import Answer


class Refused(Answer):
    error: str


class Nothing(Answer):
    """An empty object."""


class XorbStored(Answer):
    was_inserted: bool


class ShardRegistered(Answer):
    """`result` is 1 if the shard brought something new, else 0."""

    result: int


class Span(Answer):
    start: int
    end: int


class Term(Answer):
    """Chunks of one xorb, in the order of the file."""

    hash: str
    unpacked_length: int
    range: Span


class FetchV1(Answer):
    range: Span
    url: str
    url_range: Span


class PlanV1(Answer):
    offset_into_first_range: int
    terms: list[Term]
    fetch_info: dict[str, list[FetchV1]]


class RangeV2(Answer):
    chunks: Span
    bytes: Span


class FetchV2(Answer):
    url: str
    ranges: list[RangeV2]


class PlanV2(Answer):
    offset_into_first_range: int
    terms: list[Term]
    xorbs: dict[str, list[FetchV2]]


class Validating(Answer):
    """A line while a shard is checked: bytes so far, of all."""

    type: Literal["validating"]
    verified: int
    total: int


class Ended(Answer):
    """The last line of a registration that succeeded."""

    type: Literal["result"]
    result: int


class Failed(Answer):
    """The last line of one that failed."""

    type: Literal["error"]
    message: str
    retryable: bool
