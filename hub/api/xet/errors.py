"""Refusals on this wire: `{"error": text}` under a status that tells the client whether to try again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import status_of
from hub.api.refusals import say_when_to_return
from hub.api.structs import answer_with
from hub.api.xet.answers import Refused

# Clients try again after 429 and 5xx, and end at any other 4xx; after 401 they fetch a new token.
STATUSES = {
    "range_beyond_end": 416,
    # A retry does not repair a damaged xorb.
    "xorb_damaged": 410,
    "blob_missing": 410,
}


def render(refusal: errors.Refusal, _request: HttpRequest) -> HttpResponse:
    # A request that is too large must not be sent again, so a limit of size is no 429. A limit of calls is
    # one.
    is_final = isinstance(refusal, errors.Exhausted) and not isinstance(refusal, errors.RateLimited)
    status = 403 if is_final else status_of(refusal, STATUSES)
    response = answer_with(Refused(error=str(refusal)), status=status)
    say_when_to_return(response, refusal)
    return response
