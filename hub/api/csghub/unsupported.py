"""What is not served, as JSON: this client parses every body."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from hub.api.csghub.http import route
from hub.errors import NotFound, Unsupported

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class NoRoute(NotFound):
    code = "no_route"
    message = "There is no route {path}."


def sandboxes(_request: HttpRequest, **_: str) -> HttpResponse:
    raise Unsupported(feature="Running sandboxes")


def missing(request: HttpRequest, **_: str) -> HttpResponse:
    raise NoRoute(path=request.path[:200])


urlpatterns = [
    path("api/v1/sandboxes", route(**dict.fromkeys(METHODS, sandboxes))),
    path("api/v1/sandboxes/<rest:rest>", route(**dict.fromkeys(METHODS, sandboxes))),
    path("v1/sandboxes/<rest:rest>", route(**dict.fromkeys(METHODS, sandboxes))),
    path("api/v1/<rest:rest>", route(**dict.fromkeys(METHODS, missing))),
]
