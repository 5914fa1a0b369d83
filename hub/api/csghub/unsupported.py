"""Calls that are not served. The answer is JSON, because this client parses every body."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from foundation.errors import NotFound, Unsupported
from hub.api.csghub.http import route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class NoRoute(NotFound):
    code = "no_route"
    message = "There is no route {path}."


def sandboxes(_request: HttpRequest, **_: str) -> HttpResponse:
    raise Unsupported(feature="Running sandboxes")


def missing(request: HttpRequest, **_: str) -> HttpResponse:
    raise NoRoute(path=request.path[:200])


# The SDK asks for these at /v1 as well.
sandbox_patterns = [
    path(f"sandboxes{rest}", route(**dict.fromkeys(METHODS, sandboxes))) for rest in ("", "/", "/<rest:rest>")
]
urlpatterns = [
    *sandbox_patterns,
    *(path(rest, route(**dict.fromkeys(METHODS, missing))) for rest in ("", "<rest:rest>")),
]
