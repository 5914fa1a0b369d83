"""Common headers of refusals, in every dialect. Statuses: `foundation.statuses`."""

from __future__ import annotations

import re

from django.http import HttpResponse

from foundation import errors

# C0, DEL and C1: a header that holds one is refused by servers and clients.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


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
