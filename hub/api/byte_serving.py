"""Conditional requests and byte ranges (RFC 9110, sections 13 and 14), for every door that serves bytes.

Doors call `respond` with the size and the entity tag of what they hold, and a function that sends a range of
it. All tags are strong: they are made of the hash of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags

from foundation.errors import Invalid

# White space is bounded: two unbounded runs side by side would be divided in every possible way.
_RANGE = re.compile(r"bytes=\s{0,8}(\d*)\s{0,8}-\s{0,8}(\d*)\s*", re.IGNORECASE)


class RangeNotSatisfiable(Invalid):
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


def quoted(etag: str) -> str:
    """The entity tag as headers have it."""
    return f'"{etag}"'


def is_known(request: HttpRequest, etag: str) -> bool:
    """True if the caller has these bytes already: `If-None-Match` by weak comparison, or `*`."""
    header = request.headers.get("If-None-Match")
    if header is None or request.method not in {"GET", "HEAD"}:
        return False
    known = [tag.removeprefix("W/") for tag in parse_etags(header)]
    return known == ["*"] or quoted(etag) in known


def is_other(request: HttpRequest, etag: str) -> bool:
    """True if the caller wants other bytes than these: `If-Match` by strong comparison, or `*`."""
    header = request.headers.get("If-Match")
    if header is None:
        return False
    wanted = parse_etags(header)
    return wanted != ["*"] and quoted(etag) not in wanted


def range_header(request: HttpRequest, etag: str) -> str | None:
    """The Range header, unless `If-Range` names other bytes: then the whole file must be sent.

    The comparison is strong. A date never matches, because no answer here has a `Last-Modified`.
    """
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range.strip() != quoted(etag):
        return None
    return request.headers.get("Range")


def not_modified(etag: str) -> HttpResponse:
    response = HttpResponseNotModified()
    response["ETag"] = quoted(etag)
    return response


def respond(
    request: HttpRequest, *, size: int, etag: str, send: Callable[[ByteRange], HttpResponseBase]
) -> HttpResponseBase:
    """200 or 206 with the bytes, 304 when the caller has them, 412 or 416. HEAD gets the headers alone.

    `size` in bytes; `etag` without quotes. `send` may answer with a redirect, which is passed on as it is.
    Preconditions are evaluated in the order of RFC 9110, 13.2.2.
    """
    if is_other(request, etag):
        response: HttpResponseBase = HttpResponse(status=412)
        response["ETag"] = quoted(etag)
        return response
    if is_known(request, etag):
        return not_modified(etag)
    try:
        wanted = parse_range(range_header(request, etag), size)
    except RangeNotSatisfiable:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        response["ETag"] = quoted(etag)
        return response
    span = wanted or ByteRange(0, size)
    response = HttpResponse() if request.method == "HEAD" else send(span)
    if response.status_code == 302:
        return response
    if wanted is not None:
        response.status_code = 206
        response["Content-Range"] = span.content_range(size)
    response["Content-Length"] = str(span.length)
    response["ETag"] = quoted(etag)
    return response
