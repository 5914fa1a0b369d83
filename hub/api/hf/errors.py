"""The dialect's whole vocabulary of refusals on one screen (docs/wire/huggingface.md#refusals)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import status_of
from hub.api.hf.answers.common import Refused
from hub.api.refusals import header_safe, say_when_to_return
from hub.api.structs import answer_with

# Our code → X-Error-Code, by which the client chooses its exception.
WIRE_CODES = {
    "repository_not_found": "RepoNotFound",
    "revision_not_found": "RevisionNotFound",
    "entry_not_found": "EntryNotFound",
    "repository_gated": "GatedRepo",
    "repository_exists": "RepoExists",
}
STATUSES = {"invalid_path": 422, "ref_changed": 412, "lfs_object_missing": 400}


def render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    """The answer that makes the client raise its right exception, with a message for people.

    Anonymous callers get 401 where a token might help, as the real hub does.
    """
    status, code = status_of(refusal, STATUSES), WIRE_CODES.get(refusal.code)
    principal = getattr(request, "principal", None)
    is_anonymous = principal is None or principal.is_anonymous
    if is_anonymous and code == "GatedRepo":
        status = 401
    message = str(refusal)
    response = answer_with(Refused(error=message), status=status)
    if code:
        response["X-Error-Code"] = code
    response["X-Error-Message"] = header_safe(message)
    if commit := refusal.details.get("commit"):
        response["X-Repo-Commit"] = commit
    say_when_to_return(response, refusal)
    return response
