"""The dialect's whole vocabulary of refusals on one screen (contract 0.1)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from hub import errors
from hub.api.json import json_response

# Our code → status, X-Error-Code. What is not listed gets its kind's status and no code.
WIRE_CODES: dict[str, tuple[int, str]] = {
    "repository_not_found": (404, "RepoNotFound"),
    "revision_not_found": (404, "RevisionNotFound"),
    "entry_not_found": (404, "EntryNotFound"),
    "repository_gated": (403, "GatedRepo"),
    "repository_exists": (409, "RepoExists"),
    "invalid_path": (422, ""),
    "ref_changed": (412, ""),
    "lfs_object_missing": (400, ""),
    "storage_quota_exceeded": (403, ""),
    "repository_quota_exceeded": (403, ""),
    "too_many_sign_ins": (429, ""),
    "disk_full": (507, ""),
}
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


def status_and_code(refusal: errors.Refusal) -> tuple[int, str]:
    if refusal.code in WIRE_CODES:
        return WIRE_CODES[refusal.code]
    return next((status for kind, status in KINDS.items() if isinstance(refusal, kind)), 400), ""


def render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """The answer that makes the client raise its right exception, with a message for people.

    Anonymous callers get 401 where a token might help, as the real hub does.
    """
    status, code = status_and_code(refusal)
    principal = getattr(request, "principal", None)
    is_anonymous = principal is None or principal.is_anonymous
    if is_anonymous and code == "GatedRepo":
        status = 401
    message = str(refusal)
    response = json_response({"error": message}, status=status)
    if code:
        response["X-Error-Code"] = code
    response["X-Error-Message"] = header_safe(message)
    if commit := refusal.details.get("commit"):
        response["X-Repo-Commit"] = commit
    if retry_after := refusal.details.get("retry_after_s"):
        response["Retry-After"] = str(retry_after)
    return response


def header_safe(text: str) -> str:
    """Header values are one line of Latin-1."""
    return " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")[:500]
