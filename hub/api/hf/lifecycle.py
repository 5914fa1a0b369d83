"""Repositories come, change and go (docs/wire/huggingface.md#account-and-repositories)."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import PurePosixPath

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from hub.accounts.policies import require_signed_in
from hub.api.hf import bodies
from hub.api.hf.answers import repositories as answers
from hub.api.hf.answers.common import Success
from hub.api.hf.http import actor, page_url, repository, route
from hub.api.json import MalformedBody, is_one_of
from hub.api.structs import Loose, answer_with, body_of
from hub.gitstore.paths import require_path
from hub.repos import selectors as repos
from hub.repos import services
from hub.repos.attributes import initial
from hub.repos.errors import RepositoryExists, RepositoryNotFound
from hub.repos.models import Gating, Kind, Repository
from hub.revisions.services import duplicate as duplicate_repository
from hub.revisions.uploads import UploadRule

LICENSE = re.compile(r"[A-Za-z0-9.-]{1,60}")


def _kind(kind: Loose) -> str:
    kind = kind or Kind.MODEL
    if not is_one_of(kind, Kind.values):
        raise MalformedBody(reason=f"“type” is one of {', '.join(Kind.values)}")
    return str(kind)


def _visibility(body: bodies.NewRepository | bodies.Settings | bodies.Duplicate) -> str | None:
    """`visibility` from newer clients, `private` from older ones, None when neither was sent."""
    if body.visibility is None:
        return None if body.private is None else ("private" if body.private else "public")
    if not is_one_of(body.visibility, {"public", "private", "protected"}):
        raise MalformedBody(reason="“visibility” is public or private")
    return "private" if body.visibility == "protected" else str(body.visibility)


def _repo_id(request: HttpRequest, body: bodies.NamedRepository) -> str:
    """Raises: Unauthenticated, MalformedBody."""
    principal = actor(request)
    require_signed_in(principal)
    if body.name is None:
        raise MalformedBody(reason="“name” must be a string")
    owner = body.organization or principal.name
    return body.name if "/" in body.name else f"{owner}/{body.name}"


def _described(request: HttpRequest, found: Repository) -> answers.Described:
    return answers.Described(url=page_url(request, found), name=found.full_name, id=str(found.pk))


def _taken(request: HttpRequest, refusal: RepositoryExists, found: Repository) -> HttpResponse:
    taken = answers.RepositoryTaken(
        error=str(refusal), url=page_url(request, found), name=found.full_name, id=str(found.pk)
    )
    return answer_with(taken, status=409)


def create(request: HttpRequest) -> HttpResponse:
    body = body_of(request, bodies.NewRepository)
    kind, repo_id = _kind(body.type), _repo_id(request, body)
    new = services.NewRepository(
        kind=kind, repo_id=repo_id, visibility=_visibility(body), files=_initial_files(kind, body)
    )
    try:
        found = services.create_repository(actor=actor(request), request=new, now=timezone.now())
    except RepositoryExists as refusal:
        taken = repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
        response = _taken(request, refusal, taken)
        response["X-Error-Code"] = "RepoExists"
        return response
    return answer_with(_described(request, found))


def _initial_files(kind: str, body: bodies.NewRepository) -> dict[str, bytes]:
    """Path → content of the first commit: a card, and the small files that the JavaScript client brings.

    Raises: MalformedBody, InvalidPath.
    """
    files = _card(kind, body)
    for each in body.files or []:
        path = require_path(each.path)
        try:
            files[path] = base64.b64decode(each.content, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedBody(reason="a file's “content” must be base64") from None
    rule = UploadRule(None, None, given=files.get(".gitattributes", initial(kind)))
    for path, data in files.items():
        if rule.is_large(path, len(data)):
            raise MalformedBody(reason=f"“{path[:200]}” belongs in LFS: commit it to the new repository")
        if any(parent in files for parent in map(str, list(PurePosixPath(path).parents)[:-1])):
            raise MalformedBody(reason=f"“{path[:200]}” lies in a file")
    return files


def _card(kind: str, body: bodies.NewRepository) -> dict[str, bytes]:
    """A card with the license that the body names and, for a space, its SDK; nothing without either."""
    license_id, sdk = body.license, body.sdk if kind == Kind.SPACE else None
    lines = []
    if isinstance(sdk, str) and sdk.isalnum():
        title = (body.name or "").rpartition("/")[2].replace('"', "")
        lines += [f'title: "{title}"', f"sdk: {sdk}"]
    if isinstance(license_id, str) and LICENSE.fullmatch(license_id):
        lines.append(f"license: {license_id}")
    return {"README.md": "\n".join(["---", *lines, "---", ""]).encode()} if lines else {}


def delete(request: HttpRequest) -> HttpResponse:
    body = body_of(request, bodies.NamedRepository)
    found = _named(request, kind=_kind(body.type), repo_id=_repo_id(request, body))
    services.delete_repository(actor=actor(request), repository=found, now=timezone.now())
    return answer_with(Success(success=True))


def _named(request: HttpRequest, *, kind: str, repo_id: str) -> Repository:
    """A repository that a body names. An old id is not followed: what it means has changed."""
    found = repos.get_repository(actor=actor(request), kind=kind, repo_id=repo_id)
    if repos.has_moved(found, repo_id):
        raise RepositoryNotFound(repo_id=repo_id)
    return found


def move(request: HttpRequest) -> HttpResponse:
    require_signed_in(actor(request))
    body = body_of(request, bodies.Move)
    found = _named(request, kind=_kind(body.type), repo_id=body.source)
    moved = services.move_repository(actor=actor(request), repository=found, to=body.to)
    return answer_with(_described(request, moved))


def settings(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.Settings)
    gated = body.gated
    if gated is not None and gated is not False and not is_one_of(gated, {"auto", "manual"}):
        raise MalformedBody(reason="“gated” is auto, manual or false")
    change = services.Settings(
        visibility=_visibility(body),
        gating=None if gated is None else (gated or Gating.OPEN),
        discussions_disabled=body.discussions_disabled,
    )
    changed = services.change_settings(actor=actor(request), repository=found, change=change)
    return answer_with(
        answers.Settings(
            private=changed.is_private,
            visibility=changed.visibility,
            gated=changed.gating or False,
            discussions_disabled=changed.discussions_disabled,
        )
    )


def duplicate(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    require_signed_in(actor(request))
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.Duplicate)
    to = body.repository
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
        return _taken(request, refusal, taken)
    return answer_with(
        answers.Duplicated(
            url=page_url(request, copy), name=copy.full_name, id=str(copy.pk), files_copy_pending=False
        )
    )


urlpatterns = [
    path("api/repos/create", route(POST=create)),
    path("api/repos/delete", route(DELETE=delete)),
    path("api/repos/move", route(POST=move)),
    path("api/<plural:kind>/<repo_id:repo_id>/settings", route(PUT=settings)),
    path("api/<plural:kind>/<repo_id:repo_id>/duplicate", route(POST=duplicate)),
]
