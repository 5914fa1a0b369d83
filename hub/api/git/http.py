"""What every call of this dialect shares: dispatch, credentials, repository look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.errors import Refusal
from hub.repos import selectors as repos
from hub.repos.models import Repository

View = Callable[..., HttpResponseBase]
Render = Callable[[Refusal, HttpRequest], HttpResponse]


class Moved(Exception):
    """The repository goes by another id now."""

    def __init__(self, path: str) -> None:
        self.path = path


def route(render: Render, **methods: View) -> View:
    """One URL's view: `route(render, GET=…, POST=…)`. Refusals are rendered here, once."""
    if "GET" in methods:
        methods.setdefault("HEAD", methods["GET"])

    @csrf_exempt
    def dispatch(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        view = methods.get(request.method or "")
        if view is None:
            response = HttpResponse(status=405)
            response["Allow"] = ", ".join(sorted(methods))
            return response
        try:
            return view(request, **kwargs)
        except Moved as moved:
            redirect = HttpResponse(status=307)
            redirect["Location"] = base_url(request) + moved.path
            return redirect
        except Refusal as refusal:
            return render(refusal, request)

    return dispatch


def actor(request: HttpRequest) -> Principal:
    return principal_of(request)


def repository(request: HttpRequest, kind: str, repo_id: str) -> Repository:
    """The repository that an address names, with or without `.git`.

    Raises: RepositoryNotFound, Moved.
    """
    bare = repo_id.removesuffix(".git")
    found = repos.get_repository(actor=actor(request), kind=kind, repo_id=bare)
    if repos.has_moved(found, bare):
        new = found.full_name + repo_id[len(bare) :]
        raise Moved(request.get_full_path().replace(f"/{repo_id}/", f"/{new}/", 1))
    return found


def base_url(request: HttpRequest) -> str:
    """The address under which the client reaches the hub, without a slash at its end."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
