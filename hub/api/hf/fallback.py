"""Calls that are not served, answered in JSON (docs/wire/huggingface.md#what-holds-for-every-call)."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from foundation.errors import Unsupported
from hub.api.hf.answers.common import Refused
from hub.api.hf.answers.info import NoTemplates
from hub.api.hf.http import route
from hub.api.structs import answer_with
from hub.repos.errors import RepositoryNotFound

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def missing(request: HttpRequest, **_: str) -> HttpResponse:
    return answer_with(Refused(error=f"There is no route {request.method} {request.path[:200]}."), status=404)


def no_repository(_request: HttpRequest, repo_id: str, **_: str) -> HttpResponse:
    """Ids without a namespace (`gpt2`), and buckets: nothing here goes by such a name."""
    raise RepositoryNotFound(repo_id=repo_id)


def _unsupported(feature: str) -> dict[str, object]:
    def view(_request: HttpRequest, **_: str) -> HttpResponse:
        raise Unsupported(feature=feature)

    return dict.fromkeys(METHODS, view)


def _everywhere(view: object) -> dict[str, object]:
    return dict.fromkeys(METHODS, view)


def none_offered(_request: HttpRequest) -> HttpResponse:
    """Hardware for spaces: the hub runs none."""
    return answer_with([])


def no_templates(_request: HttpRequest) -> HttpResponse:
    return answer_with(NoTemplates(templates=[]))


def bare_ids(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """For each API address that holds `namespace/name` another one with a bare `name`: no such repository.

    Mounted behind the addresses themselves, so that they never hide a repository.
    """
    answer = route(**_everywhere(no_repository))  # type: ignore[arg-type]
    texts = [str(pattern.pattern) for pattern in patterns]
    return [
        path(text.replace("<repo_id:repo_id>", "<name:repo_id>"), answer)
        for text in dict.fromkeys(texts)
        if text.startswith("api/") and "<repo_id:repo_id>" in text
    ]


_space = "api/spaces/<repo_id:repo_id>"
urlpatterns = [
    path("api/spaces/hardware", route(GET=none_offered)),
    path("api/spaces/templates", route(GET=no_templates)),
    path("uploads", route(**_unsupported("Attaching pictures to comments"))),  # type: ignore[arg-type]
    path("<name:repo_id>/resolve/<rest:file>", route(**_everywhere(no_repository))),  # type: ignore[arg-type]
    path("<name:repo_id>/raw/<rest:file>", route(**_everywhere(no_repository))),  # type: ignore[arg-type]
    path("api/buckets/<rest:repo_id>", route(**_everywhere(no_repository))),  # type: ignore[arg-type]
    path("buckets/<rest:repo_id>", route(**_everywhere(no_repository))),  # type: ignore[arg-type]
    *(
        path(f"{_space}/{word}", route(**_unsupported("Running spaces")))  # type: ignore[arg-type]
        for word in (
            "secrets",
            "variables",
            "hardware",
            "sleeptime",
            "pause",
            "restart",
            "dev-mode",
            "storage",
            "volumes",
        )
    ),
    path(f"{_space}/logs/<rest:kind>", route(**_unsupported("Running spaces"))),  # type: ignore[arg-type]
    path("api/jobs/<rest:rest>", route(**_everywhere(missing))),  # type: ignore[arg-type]
    path("oauth/<rest:rest>", route(**_unsupported("Signing in by OAuth"))),  # type: ignore[arg-type]
]
# Behind everything else.
last = [path("api/<rest:rest>", route(**_everywhere(missing)))]  # type: ignore[arg-type]
