"""Common parts of all calls of this dialect: dispatch, credentials, the envelope, look-up."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import register_converter

from hub import converters  # noqa: F401 - registers the converters
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.csghub import errors
from hub.api.csghub.answers import Ok, OkPage, Refused
from hub.api.dispatch import View, by_method
from hub.api.structs import answer_with
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository

KINDS = {
    "models": Kind.MODEL,
    "datasets": Kind.DATASET,
    "spaces": Kind.SPACE,
    "codes": Kind.CODE,
    "mcps": Kind.MCP,
    "skills": Kind.SKILL,
}


class Type:
    """`models`, `codes`, …: the kind that a REST address begins with."""

    regex = "|".join(KINDS)

    def to_python(self, value: str) -> str:
        return KINDS[value]

    def to_url(self, value: str) -> str:
        return next(word for word, kind in KINDS.items() if kind == value)


register_converter(Type, "csg_type")


def route(**methods: View) -> View:
    """One URL's view: `route(GET=…, POST=…)`."""
    return by_method(methods, render=errors.render, not_allowed=_not_allowed, read_caller=principal_of)


def _not_allowed(request: HttpRequest, **_: object) -> HttpResponse:
    return answer_with(Refused(code="method", msg=f"{request.method} is not allowed here."), status=405)


def actor(request: HttpRequest) -> Principal:
    return principal_of(request)


def ok(data: Any, *, total: int | None = None) -> HttpResponse:
    """`data` is a struct of `answers`, a list of them, or None; a list has a total."""
    return answer_with(Ok(data=data) if total is None else OkPage(data=data, total=total))


def repository(request: HttpRequest, kind: str, repo_id: str) -> Repository:
    """Raises: RepositoryNotFound."""
    return repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
