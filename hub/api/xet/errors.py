"""Refusals on this wire: `{"error": text}` under a status that tells the client whether to try again."""

from __future__ import annotations

from django.http import HttpResponse

from hub import errors
from hub.api.json import json_response

# Clients try again after 429 and 5xx, and end at any other 4xx; after 401 they fetch a new token.
CODES = {
    "range_beyond_end": 416,
    # No retry mends a damaged xorb.
    "xorb_damaged": 410,
    "blob_missing": 410,
    "storage_full": 507,
}
KINDS: dict[type[errors.Refusal], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Exhausted: 403,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
}


def status_of(refusal: errors.Refusal) -> int:
    if refusal.code in CODES:
        return CODES[refusal.code]
    return next((status for kind, status in KINDS.items() if isinstance(refusal, kind)), 400)


def render(refusal: errors.Refusal) -> HttpResponse:
    return json_response({"error": str(refusal)}, status=status_of(refusal))
