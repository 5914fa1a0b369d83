"""What every call of this dialect shares: dispatch, credentials, the envelope, look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import register_converter
from django.views.decorators.csrf import csrf_exempt

from hub.accounts.principals import Principal
from hub.api import converters  # noqa: F401 - registers the converters
from hub.api.authentication import principal_of
from hub.api.csghub import errors
from hub.api.json import json_response
from hub.errors import Refusal
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository

View = Callable[..., HttpResponseBase]

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
    """One URL's view. Refusals are rendered here, once."""
    if "GET" in methods:
        methods.setdefault("HEAD", methods["GET"])

    @csrf_exempt
    def dispatch(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            principal_of(request)
            view = methods.get(request.method or "")
            if view is None:
                return json_response(
                    {"code": "method", "msg": f"{request.method} is not allowed here."}, status=405
                )
            return view(request, **kwargs)
        except Refusal as refusal:
            return errors.render(refusal, request)

    return dispatch


def actor(request: HttpRequest) -> Principal:
    return principal_of(request)


def ok(data: Any, **extra: Any) -> HttpResponse:
    """The envelope of success; `msg` is exactly `OK`."""
    return json_response({"msg": "OK", "data": data, **extra})


def repository(request: HttpRequest, kind: str, repo_id: str) -> Repository:
    """Raises: RepositoryNotFound."""
    return repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
