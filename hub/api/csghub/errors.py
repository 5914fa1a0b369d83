"""What this dialect answers to refusals: never HTML, and never 200 (contract 2)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from hub import errors
from hub.api.json import json_response

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
STATUSES = {"repository_quota_exceeded": 403, "storage_quota_exceeded": 403, "ref_changed": 409}
# The client stays quiet about an existing repository only when it reads this.
EXISTS = "duplicate key value violates unique constraint"


def render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    status = STATUSES.get(refusal.code) or next(
        (status for kind, status in KINDS.items() if isinstance(refusal, kind)), 400
    )
    message = str(refusal)
    if refusal.code == "repository_exists":
        message = f"{message} ({EXISTS})"
    response = json_response({"code": refusal.code, "msg": message}, status=status)
    if retry_after := refusal.details.get("retry_after_s"):
        response["Retry-After"] = str(retry_after)
    return response
