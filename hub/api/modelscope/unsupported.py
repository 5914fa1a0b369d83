"""Calls that are not served, in this dialect's own envelope: the client parses JSON, never HTML."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from foundation.errors import NotFound, Unsupported
from hub.api.modelscope.http import legacy, open_route, route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class NoRoute(NotFound):
    code = "no_route"
    message = "There is no route {path}."


def missing(request: HttpRequest, **_: str) -> HttpResponse:
    raise NoRoute(path=request.path[:200])


def archive(_request: HttpRequest, **_: str) -> HttpResponse:
    raise Unsupported(feature="Downloading a skill as one archive")


def counted_elsewhere(_request: HttpRequest, **_: str) -> HttpResponse:
    """Downloads are counted where content is served; what a client claims is not."""
    return legacy(None)


urlpatterns = [
    path("api/v1/skills/<repo_id:repo_id>/archive/zip/<rest:revision>", route(GET=archive)),
    path("api/v1/<ms_type:kind>/<repo_id:repo_id>/download/increase", route(POST=counted_elsewhere)),
    path("openapi/<rest:rest>", open_route(**dict.fromkeys(METHODS, missing))),
    *(path(rest, route(**dict.fromkeys(METHODS, missing))) for rest in ("", "<rest:rest>")),  # type: ignore[arg-type]
]
