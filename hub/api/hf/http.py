"""Common parts of all calls of this dialect: dispatch, credentials, repository look-up, paging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from foundation import addresses
from foundation.errors import Invalid, Refusal
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.dispatch import Moved, View, by_method
from hub.api.hf import errors
from hub.api.hf.answers.common import Refused
from hub.api.structs import answer_with
from hub.converters import register_kinds
from hub.repos import selectors as repos
from hub.repos.errors import RepositoryGated
from hub.repos.kinds import KIND_OF, path_of
from hub.repos.models import Repository

register_kinds(KIND_OF, "plural")


def route(**methods: View) -> View:
    """One URL's view: `route(GET=…, POST=…)`."""
    return by_method(methods, render=_render, not_allowed=_not_allowed, read_caller=principal_of)


def _render(refusal: Refusal, request: HttpRequest) -> HttpResponse:
    """A gate's message names the page at which to ask for access; only here its address is known."""
    if isinstance(refusal, RepositoryGated):
        path = path_of(refusal.details["kind"], refusal.details["repo_id"])
        refusal.details["page"] = f"{endpoint(request)}/{path}"
    return errors.render(refusal, request)


def _not_allowed(request: HttpRequest, **held: Any) -> HttpResponse:
    """405, but for what is no repository: `DELETE /api/models/gpt2/like` reads as one on the id `gpt2/like`.

    Raises: RepositoryNotFound, Moved.
    """
    if "kind" in held and "repo_id" in held:
        repository(request, held["kind"], held["repo_id"])
    return answer_with(Refused(error=f"{request.method} is not allowed here."), status=405)


def actor(request: HttpRequest) -> Principal:
    return principal_of(request)


def repository(request: HttpRequest, kind: str, repo_id: str, *, with_facts: bool = False) -> Repository:
    """The repository that a URL names. Raises: RepositoryNotFound, Moved."""
    found = repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id, with_facts=with_facts)
    if repos.has_moved(found, repo_id):
        path = request.path.replace(f"/{repo_id}", f"/{found.full_name}", 1)
        query = request.META.get("QUERY_STRING", "")
        raise Moved(path + (f"?{query}" if query else ""))
    return found


def endpoint(request: HttpRequest) -> str:
    """The address under which this client reached the dialect; every absolute URL begins with it."""
    return addresses.absolute(request, str(getattr(request, "mount", "")))


def page_url(request: HttpRequest, repo: Repository) -> str:
    return f"{endpoint(request)}/{path_of(repo.kind, repo.full_name)}"


def boolean(request: HttpRequest, name: str, *, default: bool = False) -> bool:
    """A query flag: `true` and `True` alike (older clients send Python's words)."""
    text = request.GET.get(name)
    return default if text is None else text.strip().lower() in {"true", "1", ""}


def integer(request: HttpRequest, name: str, *, default: int, low: int, high: int) -> int:
    """A query number, clamped. Raises: Invalid when it is none."""
    text = request.GET.get(name)
    if text is None or text == "":
        return default
    try:
        return max(low, min(high, int(text)))
    except ValueError:
        raise Invalid(reason=f"“{name}” must be a whole number.") from None


def repeated(request: HttpRequest, *names: str) -> list[str]:
    """All values of a repeated query key, under any of its spellings (`expand`, `expand[]`)."""
    return [value for name in names for value in request.GET.getlist(name) if value]


def with_next(request: HttpRequest, response: HttpResponse, changes: Mapping[str, str | int]) -> HttpResponse:
    """Add the `Link: <…>; rel="next"` header: this very request with some query keys changed."""
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = str(value)
    address = addresses.absolute(request, f"{request.path}?{urlencode(list(_pairs(query)))}")
    response["Link"] = f'<{address}>; rel="next"'
    return response


def _pairs(query: Any) -> Iterable[tuple[str, str]]:
    for name, values in query.lists():
        for value in values:
            yield name, value
