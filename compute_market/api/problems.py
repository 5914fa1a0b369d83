"""Refusals of this API: problem details (RFC 9457) with a code."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from rest_framework import exceptions
from rest_framework.response import Response

from compute_market.api.answers.refusals import MarketProblem
from compute_market.problems import MEDIA_TYPE, TYPES
from foundation.errors import Interrupted, ReadOnly, Refusal, refusal_of
from foundation.statuses import status_of

# Names of fields in the rooms → their names in request bodies.
FIELDS = {
    "extends_id": "extends",
    "price_micros_per_gpu_hour": "limit_price",
    "node_id": "node",
    "lease_id": "lease",
}


def handle(error: Exception, _: dict[str, Any]) -> Response | None:
    """DRF's exception handler for this door. Anything that is no refusal stays a crash."""
    if isinstance(error, DatabaseError | OSError):
        error = refusal_of(error) or error
    if isinstance(error, Refusal):
        error = _in_words_of_the_wire(error)
        answer = problem(status_of(error), code=error.code, detail=str(error), **_plain(error.details))
        if isinstance(error, Interrupted | ReadOnly):
            answer["Retry-After"] = str(error.details["retry_after_s"])
        return answer
    if isinstance(error, exceptions.ValidationError):
        errors = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        return problem(400, code="invalid", detail="The request is malformed.", errors=errors)
    if isinstance(error, exceptions.Throttled):
        answer = problem(429, code="rate_limited", detail=str(error.detail))
        wait: float | None = getattr(error, "wait", None)
        if wait is not None:
            answer["Retry-After"] = str(max(1, round(wait)))
        return answer
    if isinstance(error, RequestDataTooBig):
        limit = getattr(error, "limit", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        return problem(413, code="body_too_large", detail=f"The body has more than {limit} bytes.")
    if isinstance(error, exceptions.APIException):
        return problem(error.status_code, code=str(error.default_code), detail=str(error.detail))
    return None


def problem(status: int, *, code: str, detail: str, **more: Any) -> Response:
    """An answer that holds a problem.

    `more`: fields of `MarketProblem`; others are left out (a test finds refusals that have others).
    """
    known = {name: value for name, value in more.items() if name in MarketProblem.__struct_fields__}
    body = MarketProblem(**known, type=TYPES + code, status=status, code=code, detail=detail)
    answer = Response(body, status=status, content_type=MEDIA_TYPE)
    if status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def _in_words_of_the_wire(refusal: Refusal) -> Refusal:
    """A refusal that names a field names it as the bodies of this door do."""
    field = FIELDS.get(str(refusal.details.get("field")))
    return refusal if field is None else type(refusal)(**{**refusal.details, "field": field})


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int | str | bool | list | None) else str(value)
        for name, value in details.items()
    }
