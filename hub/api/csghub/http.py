"""Common parts of all calls of this dialect: dispatch, credentials, the envelope, look-up."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.csghub import errors
from hub.api.csghub.answers import Ok, OkPage, Refused
from hub.api.dispatch import View, by_method
from hub.api.structs import Answer, answer_with
from hub.converters import register_kinds
from hub.repos import kinds
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository

KINDS = kinds.named(Kind.MODEL, Kind.DATASET, Kind.SPACE, Kind.CODE, Kind.MCP, Kind.SKILL)
register_kinds(KINDS, "csg_type")


def route(**methods: View) -> View:
    """One URL's view: `route(GET=…, POST=…)`."""
    return by_method(methods, render=errors.render, not_allowed=_not_allowed, read_caller=principal_of)


def _not_allowed(request: HttpRequest, **_: object) -> HttpResponse:
    return answer_with(Refused(code="method", msg=f"{request.method} is not allowed here."), status=405)


def actor(request: HttpRequest) -> Principal:
    return principal_of(request)


def ok(data: Answer | Sequence[Answer] | None, *, total: int | None = None) -> HttpResponse:
    """Success; a list has a total."""
    return answer_with(Ok(data=data) if total is None else OkPage(data=data, total=total))


def repository(request: HttpRequest, kind: str, repo_id: str) -> Repository:
    """Raises: RepositoryNotFound."""
    return repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
