"""JSON of requests, for the doors that are not of the framework; answers are declared (`hub.api.structs`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import HttpRequest

from foundation.errors import Invalid

BODY_BYTES_MAX = 10 * 1024 * 1024


class MalformedBody(Invalid):
    code = "malformed_body"
    message = "The request body is not what this route takes: {reason}"


class BodyTooLarge(Invalid):
    code = "body_too_large"
    message = "The request body has more than {limit} bytes."


def timestamp(moment: datetime) -> str:
    """`2026-01-02T03:04:05.678Z`: the only form that every client parses."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_body(request: HttpRequest, *, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole body, chunked or not. Raises: BodyTooLarge."""
    data = request.read(limit + 1)
    if len(data) > limit:
        raise BodyTooLarge(limit=limit)
    return data


def json_body(
    request: HttpRequest, *, limit: int = BODY_BYTES_MAX, may_be_null: bool = False
) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object, and so is `null` where it may be.

    Raises: MalformedBody, BodyTooLarge.
    """
    data = read_body(request, limit=limit)
    if not data.strip():
        return {}
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(reason=f"not JSON ({error})") from None
    if value is None and may_be_null:
        return {}
    if not isinstance(value, dict):
        raise MalformedBody(reason="not a JSON object")
    return value


def is_one_of(value: Any, words: Collection[str]) -> bool:
    """True if a field holds one of these words. A list or an object in the field is not hashable, so it is
    checked first.
    """
    return isinstance(value, str) and value in words


def names_sha256(value: Any) -> bool:
    """True if a hash algorithm's name means SHA-256. Clients spell it `sha256`, `sha_256` and `SHA-256`.

    None, from a client that names no algorithm, also means SHA-256.
    """
    if value is None:
        return True
    return isinstance(value, str) and value.lower().replace("_", "").replace("-", "") == "sha256"
