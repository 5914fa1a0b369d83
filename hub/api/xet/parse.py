"""From the wire to the core: tokens, hashes, byte ranges."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.utils import timezone

from foundation import bodies, credentials
from foundation.errors import Invalid
from foundation.whole_numbers import saturated
from hub.api.rates import require_rate
from hub.xet import tokens
from hub.xet.tokens import Access

RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


class InvalidRange(Invalid):
    code = "range_beyond_end"
    message = "A range is “bytes=first-last”."


def access(request: HttpRequest) -> Access:
    """The claim of the caller's Xet token; the call is counted. Raises InvalidXetToken, RateLimited."""
    token = credentials.bearer_token(request)
    if token is None:
        raise tokens.InvalidXetToken
    found = tokens.read_token(token, now=timezone.now())
    require_rate(request, found.actor)
    return found


def write_access(request: HttpRequest) -> Access:
    """The same, for sending. Raises InvalidXetToken, RateLimited, ReadOnlyToken."""
    found = access(request)
    found.require_write()
    bodies.allow(request, bodies.UNLIMITED)
    return found


def byte_range(text: str | None) -> tuple[int, int | None] | None:
    """A Range header as first byte and end (exclusive; None: to the end). None without one.

    Raises InvalidRange.
    """
    if text is None:
        return None
    match = RANGE.fullmatch(text.strip())
    if match is None:
        raise InvalidRange
    first, last = saturated(match[1]), match[2]
    if last and saturated(last) < first:
        raise InvalidRange
    return first, saturated(last) + 1 if last else None
