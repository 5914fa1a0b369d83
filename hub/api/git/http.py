"""Common parts of all calls of this dialect: dispatch, credentials, repository look-up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import addresses
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.dispatch import Moved, Render, View, by_method
from hub.repos import selectors as repos
from hub.repos.models import Repository


def route(render: Render, **methods: View) -> View:
    """The view of one address of a repository: `route(render, GET=…, POST=…)`."""
    return by_method(methods, render=render, not_allowed=_not_allowed, read_caller=principal_of)


def signed_route(render: Render, **methods: View) -> View:
    """The view of an address whose signature is the permission. It reads no credentials, although tools send
    some; the call that returned the address was counted.
    """
    return by_method(methods, render=render, not_allowed=_not_allowed)


def _not_allowed(_request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse(status=405)


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
        path = request.get_full_path().replace(f"/{repo_id}/", f"/{new}/", 1)
        raise Moved(addresses.absolute(request, path))
    return found
