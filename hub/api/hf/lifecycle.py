"""Repositories come, change and go (contract 6)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from hub.accounts.policies import require_signed_in
from hub.api.hf.http import actor, page_url, repository, route
from hub.api.json import MalformedBody, flag_of, json_body, json_response, text_of
from hub.repos import selectors as repos
from hub.repos import services
from hub.repos.errors import RepositoryExists, RepositoryNotFound
from hub.repos.models import Gating, Kind, Repository
from hub.revisions.services import duplicate as duplicate_repository


def _kind(body: dict[str, Any]) -> str:
    kind = body.get("type") or Kind.MODEL
    if kind not in Kind.values:
        raise MalformedBody(reason=f"“type” is one of {', '.join(Kind.values)}")
    return str(kind)


def _visibility(body: dict[str, Any]) -> str | None:
    """`visibility` from newer clients, `private` from older ones, None when neither was sent."""
    visibility = body.get("visibility")
    if visibility is None:
        private = flag_of(body, "private")
        return None if private is None else ("private" if private else "public")
    if visibility not in {"public", "private", "protected"}:
        raise MalformedBody(reason="“visibility” is public or private")
    return "private" if visibility == "protected" else str(visibility)


def _repo_id(request: HttpRequest, body: dict[str, Any]) -> str:
    principal = actor(request)
    require_signed_in(principal)
    owner = body.get("organization") or principal.name
    name = text_of(body, "name")
    return name if "/" in name else f"{owner}/{name}"


def _described(request: HttpRequest, found: Repository) -> dict[str, Any]:
    return {"url": page_url(request, found), "name": found.full_name, "id": str(found.pk)}


def create(request: HttpRequest) -> HttpResponse:
    body = json_body(request)
    kind, repo_id = _kind(body), _repo_id(request, body)
    new = services.NewRepository(
        kind=kind, repo_id=repo_id, visibility=_visibility(body), files=_initial_files(kind, body)
    )
    try:
        found = services.create_repository(actor=actor(request), request=new, now=timezone.now())
    except RepositoryExists as refusal:
        # With `exist_ok` the client reads the address from this very answer.
        taken = repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
        response = json_response({"error": str(refusal), **_described(request, taken)}, status=409)
        response["X-Error-Code"] = "RepoExists"
        return response
    return json_response(_described(request, found))


def _initial_files(kind: str, body: dict[str, Any]) -> dict[str, bytes] | None:
    """A space's first commit names its SDK, as its card must."""
    sdk = body.get("sdk")
    if kind != Kind.SPACE or not isinstance(sdk, str) or not sdk.isalnum():
        return None
    title = text_of(body, "name").rpartition("/")[2].replace('"', "")
    return {"README.md": f'---\ntitle: "{title}"\nsdk: {sdk}\n---\n'.encode()}


def delete(request: HttpRequest) -> HttpResponse:
    body = json_body(request)
    found = _named(request, kind=_kind(body), repo_id=_repo_id(request, body))
    services.delete_repository(actor=actor(request), repository=found, now=timezone.now())
    return json_response({"success": True})


def _named(request: HttpRequest, *, kind: str, repo_id: str) -> Repository:
    """A repository that a body names. An old id is not followed: what it means has changed."""
    found = repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
    if repos.has_moved(found, repo_id):
        raise RepositoryNotFound(repo_id=repo_id)
    return found


def move(request: HttpRequest) -> HttpResponse:
    body = json_body(request)
    require_signed_in(actor(request))
    found = _named(request, kind=_kind(body), repo_id=text_of(body, "fromRepo"))
    moved = services.move_repository(actor=actor(request), repository=found, to=text_of(body, "toRepo"))
    return json_response(_described(request, moved))


def settings(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    body = json_body(request)
    found = repository(request, kind, repo_id)
    gated = body.get("gated")
    if gated not in {None, False, "auto", "manual"}:
        raise MalformedBody(reason="“gated” is auto, manual or false")
    change = services.Settings(
        visibility=_visibility(body),
        gating=None if gated is None else (gated or Gating.OPEN),
        discussions_disabled=flag_of(body, "discussionsDisabled"),
    )
    changed = services.change_settings(actor=actor(request), repository=found, change=change)
    return json_response(
        {
            "private": changed.is_private,
            "visibility": changed.visibility,
            "gated": changed.gating or False,
            "discussionsDisabled": changed.discussions_disabled,
        }
    )


def duplicate(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    body = json_body(request)
    require_signed_in(actor(request))
    found = repository(request, kind, repo_id)
    to = text_of(body, "repository")
    try:
        copy = duplicate_repository(
            actor=actor(request),
            repository=found,
            to=to if "/" in to else f"{actor(request).name}/{to}",
            visibility=_visibility(body),
            now=timezone.now(),
        )
    except RepositoryExists as refusal:
        taken = repos.get_repository(actor=actor(request), kind=kind, repo_id=to)
        return json_response({"error": str(refusal), **_described(request, taken)}, status=409)
    return json_response({**_described(request, copy), "filesCopyPending": False})


urlpatterns = [
    path("api/repos/create", route(POST=create)),
    path("api/repos/delete", route(DELETE=delete)),
    path("api/repos/move", route(POST=move)),
    path("api/<plural:kind>/<repo_id:repo_id>/settings", route(PUT=settings)),
    path("api/<plural:kind>/<repo_id:repo_id>/duplicate", route(POST=duplicate)),
]
