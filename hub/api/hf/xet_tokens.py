"""The way from a repository of this wire to the Xet store: where it is, and a token for it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from hub.api.counting import count_download
from hub.api.hf.answers.content import XetAccess
from hub.api.hf.http import actor, boolean, endpoint, repository, route
from hub.api.structs import answer_with
from hub.api.xet_access import access_headers, store_url
from hub.repos.kinds import PLURAL_OF
from hub.repos.models import Repository
from hub.revisions.pull_refs import pull_request_number
from hub.xet import tokens
from hub.xet.tokens import IssuedToken


def get_read_token(request: HttpRequest, *, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    token = tokens.issue_read_token(actor=actor(request), repository=found, now=timezone.now())
    # The chunks come from the store, which does not know repositories, so the request for the token counts as
    # the download.
    count_download(request, found)
    return _render(request, token)


def get_write_token(request: HttpRequest, *, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    token = tokens.issue_write_token(
        actor=actor(request),
        repository=found,
        is_proposal=boolean(request, "create_pr") or pull_request_number(revision) is not None,
        now=timezone.now(),
    )
    return _render(request, token)


def _render(request: HttpRequest, token: IssuedToken) -> HttpResponse:
    """Downloads read the headers, uploads the body."""
    headers = access_headers(token, store_url(request))
    response = answer_with(
        XetAccess(
            access_token=token.text,
            exp=int(token.expires_at.timestamp()),
            cas_url=headers["X-Xet-Cas-Url"],
        )
    )
    for name, value in headers.items():
        response[name] = value
    return response


def download_headers(request: HttpRequest, repo: Repository, commit: str, name: str) -> dict[str, str]:
    """The headers on a file's own address that tell a Xet client to fetch the file by its chunks."""
    token_url = f"{endpoint(request)}/api/{_plural(repo)}/{repo.full_name}/xet-read-token/{commit}"
    plan_url = f"{store_url(request)}/v1/reconstructions/{name}"
    return {
        "X-Xet-Hash": name,
        "Link": f'<{token_url}>; rel="xet-auth", <{plan_url}>; rel="xet-reconstruction-info"',
    }


def _plural(repo: Repository) -> str:
    return PLURAL_OF[repo.kind]


urlpatterns: list[URLPattern] = [
    path(
        "api/<plural:kind>/<repo_id:repo_id>/xet-read-token/<rest:revision>",
        route(GET=get_read_token),
    ),
    path(
        "api/<plural:kind>/<repo_id:repo_id>/xet-write-token/<rest:revision>",
        route(GET=get_write_token),
    ),
]
