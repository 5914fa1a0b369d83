"""What this dialect answers to refusals: two envelopes, one table (contract 3)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from hub import errors
from hub.api.json import json_response

KINDS: dict[type[errors.Refusal], tuple[int, str]] = {
    errors.Invalid: (400, "InvalidParameter"),
    errors.Unauthenticated: (401, "InvalidAuthentication"),
    errors.Denied: (403, "OperationNotAllowed"),
    errors.NotFound: (404, "ResourceNotFound"),
    errors.Conflict: (409, "DuplicateEntity"),
    errors.Exhausted: (429, "RateLimitExceed"),
    errors.Unsupported: (501, "NotSupported"),
    errors.Unavailable: (503, "ServiceUnavailable"),
}
QUOTA = "QuotaLimitExceed"
# Our code → status and the word that the client looks for.
CODES: dict[str, tuple[int, str]] = {
    "storage_quota_exceeded": (403, QUOTA),
    "repository_quota_exceeded": (403, QUOTA),
    "lfs_object_missing": (400, "InvalidParameter"),
    "too_many_operations": (422, "InvalidParameter"),
}
# On commits the client takes these for a passing conflict and tries again.
BUSY = frozenset({"ref_changed", "branch_busy"})
BUSY_CODE = 10030000001
EXISTS_CODES = {"model": 10010101001, "dataset": 10020101001}


def status_and_code(refusal: errors.Refusal) -> tuple[int, str]:
    if refusal.code in CODES:
        return CODES[refusal.code]
    return next(
        (answer for kind, answer in KINDS.items() if isinstance(refusal, kind)), (400, "InvalidParameter")
    )


def render_legacy(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """`/api/v1`: PascalCase, with a number."""
    status, code = status_and_code(refusal)
    number: int | str = status
    message = str(refusal)
    if refusal.code in BUSY:
        number, message = BUSY_CODE, f"{message} (branch changed, please retry)"
    elif refusal.code == "repository_exists":
        # The real service's own answer; 409 would do as well, but older clients look for the number.
        status, number = 400, EXISTS_CODES.get(str(refusal.details.get("kind")), 10010101001)
        message = f"{message} (already exists)"
    elif code == QUOTA:
        # 403 alone would read as a lack of rights; the client takes the word in place of the number.
        number = code
    elif refusal.code == "ref_exists":
        status, message = 400, f"{message} (already exists)"
    body = {
        "Code": number,
        "Success": False,
        "Message": message,
        "RequestId": request_id(request),
        "Data": None,
    }
    return _with_retry(json_response(body, status=status), refusal, code)


def render_open(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """`/openapi/v1`: snake_case, with a word."""
    status, code = status_and_code(refusal)
    body = {"success": False, "code": code, "message": str(refusal), "request_id": request_id(request)}
    return _with_retry(json_response(body, status=status), refusal, code)


def _with_retry(response: HttpResponse, refusal: errors.Refusal, code: str) -> HttpResponse:
    response["X-Error-Code"] = code
    if retry_after := refusal.details.get("retry_after_s"):
        response["Retry-After"] = str(retry_after)
    return response


def request_id(request: HttpRequest) -> str:
    return request.headers.get("X-Request-ID", "")[:64]
