"""The way from a repository of this wire to the Xet store: where it is, and a token for it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from hub.api.counting import count_download
from hub.api.hf.http import PLURAL_OF, actor, boolean, endpoint, repository, route
from hub.api.json import json_response
from hub.repos.models import Kind, Repository
from hub.xet import selectors, tokens
from hub.xet.tokens import IssuedToken


def get_read_token(request: HttpRequest, *, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    token = tokens.issue_read_token(actor=actor(request), repository=found, now=timezone.now())
    # The chunks come from the store, which knows no repositories: whoever asks for the token downloads.
    count_download(request, found)
    return _render(request, token)


def get_write_token(request: HttpRequest, *, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    token = tokens.issue_write_token(
        actor=actor(request),
        repository=found,
        is_proposal=boolean(request, "create_pr") or revision.startswith("refs/pr/"),
        now=timezone.now(),
    )
    return _render(request, token)


def _render(request: HttpRequest, token: IssuedToken) -> HttpResponse:
    """Downloads read the headers, uploads the body."""
    expires_s = int(token.expires_at.timestamp())
    response = json_response({"accessToken": token.text, "exp": expires_s, "casUrl": store_url(request)})
    response["X-Xet-Cas-Url"] = store_url(request)
    response["X-Xet-Access-Token"] = token.text
    response["X-Xet-Token-Expiration"] = str(expires_s)
    return response


def store_url(request: HttpRequest) -> str:
    """The address of the Xet store, no slash at its end. Its number is raised to make clients forget."""
    base = settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    number = selectors.generation()
    return f"{base}/xet/cas-{number}" if number else f"{base}/xet"


def download_headers(request: HttpRequest, repo: Repository, commit: str, name: str) -> dict[str, str]:
    """What tells a Xet client, on a file's own address, to fetch the file by its chunks."""
    token_url = f"{endpoint(request)}/api/{_plural(repo)}/{repo.full_name}/xet-read-token/{commit}"
    plan_url = f"{store_url(request)}/v1/reconstructions/{name}"
    return {
        "X-Xet-Hash": name,
        "Link": f'<{token_url}>; rel="xet-auth", <{plan_url}>; rel="xet-reconstruction-info"',
    }


def _plural(repo: Repository) -> str:
    return PLURAL_OF[Kind(repo.kind)]


urlpatterns: list[URLPattern] = [
    path(
        "api/<plural:kind>/<repo_id:repo_id>/xet-read-token/<segment:revision>",
        route(GET=get_read_token),
    ),
    path(
        "api/<plural:kind>/<repo_id:repo_id>/xet-write-token/<segment:revision>",
        route(GET=get_write_token),
    ),
]
