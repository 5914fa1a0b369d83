"""Access to gated repositories (docs/wire/huggingface.md#access-to-gated-repositories)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone

from foundation.errors import Invalid
from foundation.hex_digits import ROW_ID, row_id
from foundation.whole_numbers import INT64_MAX
from hub.accounts import selectors as accounts
from hub.api.hf import bodies
from hub.api.hf.answers import repositories as answers
from hub.api.hf.http import actor, page_url, repository, route
from hub.api.hf.paging import newest_first
from hub.api.json import MalformedBody, json_body, timestamp
from hub.api.structs import answer_with, body_of
from hub.repos import gating
from hub.repos import selectors as repos
from hub.repos.errors import NotGated
from hub.repos.kinds import KIND_OF
from hub.repos.models import AccessRequest, Kind

STATUSES = frozenset(AccessRequest.Status.values)


def _request_id(row: AccessRequest) -> str:
    return row_id(row.pk)


def _row(row: AccessRequest) -> answers.AccessRequest:
    """The e-mail address is shown of those who asked, not of those who were let in unasked."""
    return answers.AccessRequest(
        request_id=_request_id(row),
        user=answers.Asker(
            row_id=row_id(row.user.namespace_id),
            user=row.user.name,
            fullname=row.user.namespace.full_name or row.user.name,
            email=None if row.was_granted_unasked else row.user.email or None,
        ),
        status=row.status,
        timestamp=timestamp(row.requested_at),
        fields=row.fields or None,
        rejection_reason=row.reason or None,
        granted_by=answers.Granter(user=row.granted_by.name) if row.granted_by else None,
    )


def index(request: HttpRequest, kind: str, repo_id: str, status: str) -> HttpResponse:
    if status not in STATUSES:
        raise Invalid(reason=f"There are requests {', '.join(sorted(STATUSES))}.")
    found = repository(request, kind, repo_id)
    rows = repos.access_requests(actor=actor(request), repository=found, status=status)
    if not found.is_gated:
        raise NotGated(repo_id=found.full_name)
    return newest_first(request, rows.order_by("-id"), _row)


def handle(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.AccessDecision)
    handled = gating.handle_access_request(
        actor=actor(request),
        repository=found,
        user=accounts.get_user(body.user) if body.user else None,
        request_id=None if body.user else _number(body.request_id or ""),
        status=body.status,
        reason=body.reason or "",
        now=timezone.now(),
    )
    return answer_with(answers.AccessHandled(success=True, status=handled.status))


def _number(request_id: str) -> int:
    """Raises: MalformedBody."""
    if not ROW_ID.fullmatch(request_id):
        raise MalformedBody(reason="“requestId” must be 24 hex digits")
    return min(int(request_id, 16), INT64_MAX)


def grant(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    user = accounts.get_user(body_of(request, bodies.AccessGrant).user)
    granted = gating.grant_access(actor=actor(request), repository=found, user=user, now=timezone.now())
    return answer_with(_row(granted))


def ask(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """The form of a gated repository's page; programs may send JSON. A browser is sent back to the page."""
    found = repository(request, kind, repo_id)
    is_json = request.content_type == "application/json"
    sent = json_body(request) if is_json else request.POST.dict()
    fields = {str(name): str(value) for name, value in sent.items() if name != "csrfmiddlewaretoken"}
    asked = gating.ask_access(actor=actor(request), repository=found, fields=fields, now=timezone.now())
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponseRedirect(page_url(request, found))
    return answer_with(answers.AccessAsked(status=asked.status, request_id=_request_id(asked)))


def _ask_at(prefix: str, kind: str) -> Any:
    return path(f"{prefix}<repo_id:repo_id>/ask-access", route(POST=ask), {"kind": kind})


_requests = "api/<plural:kind>/<repo_id:repo_id>/user-access-request"
urlpatterns = [
    path(f"{_requests}/handle", route(POST=handle)),
    path(f"{_requests}/grant", route(POST=grant)),
    path(f"{_requests}/<segment:status>", route(GET=index)),
    *(_ask_at(f"{plural}/", kind) for plural, kind in KIND_OF.items() if kind != Kind.MODEL),
    _ask_at("", Kind.MODEL),
]
