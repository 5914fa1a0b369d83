"""Common parts of all calls of this dialect: dispatch, credentials, the two envelopes, look-up."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from foundation import addresses
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.dispatch import Render, View, by_method
from hub.api.modelscope import answers, errors
from hub.api.structs import Answer, answer_with
from hub.converters import register_kinds
from hub.repos import kinds
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository
from hub.revisions import selectors as revisions

MOUNT = "/modelscope"
SESSION_COOKIE = "m_session_id"
DEFAULT_REVISION = "master"
KINDS = kinds.named(Kind.MODEL, Kind.DATASET, Kind.SKILL, Kind.MCP) | {"studios": Kind.SPACE}
WORD_OF: dict[str, str] = {kind: word for word, kind in KINDS.items()}
register_kinds(KINDS, "ms_type")


def route(render: Render = errors.render_legacy, **methods: View) -> View:
    """One URL's view. Refusals are rendered in the envelope of the family."""
    return by_method(methods, render=render, not_allowed=_not_allowed, read_caller=actor)


def _not_allowed(request: HttpRequest, **_: object) -> HttpResponse:
    return legacy(None, status=405, message=f"{request.method} is not allowed here.", success=False)


def open_route(**methods: View) -> View:
    return route(errors.render_open, **methods)


def actor(request: HttpRequest) -> Principal:
    return principal_of(request, cookie=SESSION_COOKIE)


def legacy(
    data: Answer | Sequence[Answer] | None,
    *,
    status: int = 200,
    message: str = "success",
    success: bool = True,
) -> HttpResponse:
    """An answer of `/api/v1`."""
    return answer_with(
        answers.Legacy(code=status, success=success, message=message, data=data), status=status
    )


def opened(data: Answer | Sequence[Answer]) -> HttpResponse:
    """An answer of `/openapi/v1`."""
    return answer_with(answers.Opened(data=data))


def repository(request: HttpRequest, kind: str, repo_id: str) -> Repository:
    """Raises: RepositoryNotFound. An old id serves the renamed one: clients do not redirect writes."""
    return repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)


def commit_of(found: Repository, revision: str | None) -> str:
    """The commit of a revision; `master` names the default branch here. Raises: RevisionNotFound."""
    return revisions.resolve(found, branch_of(found, revision))


def branch_of(found: Repository, revision: str | None) -> str:
    revision = revision or DEFAULT_REVISION
    if revision == DEFAULT_REVISION and found.default_branch != DEFAULT_REVISION:
        return found.default_branch
    return revision


def base_url(request: HttpRequest) -> str:
    """The address under which the client reached this dialect."""
    return addresses.absolute(request, MOUNT)
