"""The status that every door gives to a refusal. A door names only what its clients want otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.http import HttpResponse

from hub import errors

KINDS: dict[type[errors.Refusal], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Exhausted: 429,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
}
CODES: dict[str, int] = {
    # A quota is no rate: waiting does not help, so it is not 429.
    "repository_quota_exceeded": 403,
    "storage_quota_exceeded": 403,
    "storage_full": 507,
}
# C0, DEL and C1: a header that holds one is refused by servers and clients.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
NONE: Mapping[str, int] = {}


def kind_of(refusal: errors.Refusal) -> type[errors.Refusal]:
    """Which of `KINDS` it is; a refusal of no kind is bad input."""
    return next((kind for kind in type(refusal).__mro__ if kind in KINDS), errors.Invalid)


def status_of(refusal: errors.Refusal, codes: Mapping[str, int] = NONE) -> int:
    """The HTTP status: the door's own for the refusal's code, else everybody's, else the kind's."""
    return codes.get(refusal.code) or CODES.get(refusal.code) or KINDS[kind_of(refusal)]


def say_when_to_return(response: HttpResponse, refusal: errors.Refusal) -> None:
    """`Retry-After`, in seconds, where the refusal knows; the Hugging Face client reads `RateLimit`."""
    if retry_after := refusal.details.get("retry_after_s"):
        response["Retry-After"] = str(retry_after)
        if isinstance(refusal, errors.RateLimited):
            response["RateLimit"] = f'"api";r=0;t={retry_after}'


def header_safe(text: object) -> str:
    """Text for a header's value: one line of Latin-1 without control characters, at most 500 of them."""
    line = " ".join(CONTROL.sub(" ", str(text)).split())
    return line.encode("latin-1", "replace").decode("latin-1")[:500]
