"""The dialect's whole vocabulary of refusals: plain text for git, JSON for git-lfs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import status_of
from hub.api.git.answers import Refused
from hub.api.git.render import lfs_json
from hub.api.refusals import header_safe, say_when_to_return

# Our code → status. A code that is not listed gets the status of its kind.
STATUSES: dict[str, int] = {
    "hash_mismatch": 422,
    "size_mismatch": 422,
    "invalid_oid": 422,
    "invalid_size": 422,
    "body_too_large": 413,
    "too_many_objects": 413,
}
# The Python client reads these on the batch call, as on all others.
X_ERROR_CODES = {"repository_not_found": "RepoNotFound", "repository_gated": "GatedRepo"}
CHALLENGE = 'Basic realm="Model Bazaar", charset="UTF-8"'


def asks_for_credentials(refusal: errors.Refusal, request: HttpRequest) -> bool:
    """True if other credentials might help: the caller is not signed in, and something is hidden
    or closed.
    """
    if isinstance(refusal, errors.Unauthenticated):
        return True
    known = getattr(request, "principal", None)
    is_anonymous = known is None or known.is_anonymous
    return is_anonymous and refusal.code in X_ERROR_CODES


def render_text(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """For git, which prints a plain text as `remote: …`."""
    response = HttpResponse(f"{refusal}\n", content_type="text/plain; charset=utf-8")
    return _finished(response, refusal, request)


def render_json(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """For git-lfs and its relatives: `message` is what git-lfs prints, `error` what Python clients do."""
    text = str(refusal)
    return _finished(lfs_json(Refused(message=text, error=text)), refusal, request)


def _finished(response: HttpResponse, refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    response.status_code = status_of(refusal, STATUSES)
    if asks_for_credentials(refusal, request):
        response.status_code = 401
        response["WWW-Authenticate"] = response["LFS-Authenticate"] = CHALLENGE
    if code := X_ERROR_CODES.get(refusal.code):
        response["X-Error-Code"] = code
    response["X-Error-Message"] = header_safe(refusal)
    say_when_to_return(response, refusal)
    return response
