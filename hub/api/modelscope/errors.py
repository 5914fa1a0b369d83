"""Answers to refusals in this dialect: two envelopes, one table (docs/wire/modelscope.md#refusals)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import by_kind, status_of
from hub.api.modelscope import answers
from hub.api.refusals import say_when_to_return
from hub.api.structs import answer_with

QUOTA = "QuotaLimitExceed"
# The word that the client looks for: the code's, else the kind's.
WORDS: dict[type[errors.Refusal], str] = {
    errors.Invalid: "InvalidParameter",
    errors.Unauthenticated: "InvalidAuthentication",
    errors.Denied: "OperationNotAllowed",
    errors.NotFound: "ResourceNotFound",
    errors.Conflict: "DuplicateEntity",
    errors.Exhausted: "RateLimitExceed",
    errors.QuotaExceeded: QUOTA,
    errors.Unsupported: "NotSupported",
    errors.Unavailable: "ServiceUnavailable",
}
CODES = {
    "lfs_object_missing": "InvalidParameter",
}
STATUSES = {"lfs_object_missing": 400, "too_many_operations": 422}
# On commits the client takes these for a passing conflict and tries again.
BUSY = frozenset({"ref_changed", "branch_busy"})
BUSY_CODE = 10030000001
EXISTS_CODES = {"model": 10010101001, "dataset": 10020101001}


def status_and_code(refusal: errors.Refusal) -> tuple[int, str]:
    word = CODES.get(refusal.code) or by_kind(refusal, WORDS)
    return status_of(refusal, STATUSES), word


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
    body = answers.Legacy(
        code=number, success=False, message=message, request_id=request_id(request), data=None
    )
    return _with_retry(answer_with(body, status=status), refusal, code)


def render_open(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """`/openapi/v1`: snake_case, with a word."""
    status, code = status_and_code(refusal)
    body = answers.OpenRefused(success=False, code=code, message=str(refusal), request_id=request_id(request))
    return _with_retry(answer_with(body, status=status), refusal, code)


def _with_retry(response: HttpResponse, refusal: errors.Refusal, code: str) -> HttpResponse:
    response["X-Error-Code"] = code
    say_when_to_return(response, refusal)
    return response


def request_id(request: HttpRequest) -> str:
    return request.headers.get("X-Request-ID", "")[:64]
