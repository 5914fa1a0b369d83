"""Repositories and branches (docs/wire/opencsg.md#calls)."""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from hub.accounts.models import Visibility
from hub.accounts.policies import require_signed_in
from hub.api.csghub import answers, bodies
from hub.api.csghub.http import actor, ok, repository, route
from hub.api.json import MalformedBody, timestamp
from hub.api.structs import body_of, text_or
from hub.community.services import open_target
from hub.gitstore import RefExists
from hub.repos import services
from hub.repos.models import Repository
from hub.revisions import selectors
from hub.revisions.services import NewCommit, create_branch

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,60}")


def described(found: Repository) -> answers.Repository:
    owner, _, name = found.full_name.partition("/")
    return answers.Repository(
        id=found.pk,
        path=found.full_name,
        namespace=answers.Owner(path=owner),
        name=name,
        nickname=name,
        description=found.description,
        default_branch=found.default_branch,
        private=found.is_private,
        downloads=found.downloads_total,
        likes=found.likes,
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
    )


def _card(body: bodies.NewRepository) -> bytes:
    """The first README: the client expects one, and says the licence nowhere else."""
    license_ = text_or(body.license, "")
    return f"---\nlicense: {license_}\n---\n".encode() if LICENSE.fullmatch(license_) else b"---\n---\n"


def create(request: HttpRequest, kind: str) -> HttpResponse:
    """Always private, whatever the body says: so does the hub that this client was written for."""
    require_signed_in(actor(request))
    body = body_of(request, bodies.NewRepository)
    new = services.NewRepository(
        kind=kind,
        repo_id=f"{body.namespace}/{body.name}",
        visibility=Visibility.PRIVATE,
        description=text_or(body.description, "")[:2000],
        default_branch=text_or(body.default_branch, "main"),
        files={"README.md": _card(body)},
    )
    return ok(described(services.create_repository(actor=actor(request), request=new, now=timezone.now())))


def detail(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    return ok(described(repository(request, kind, repo_id)))


def delete(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    services.delete_repository(actor=actor(request), repository=found, now=timezone.now())
    return ok(None)


def branches(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    rows = [
        answers.Branch(name=ref.short_name, commit=answers.CommitId(id=ref.target))
        for ref in selectors.list_refs(actor=actor(request), repository=found)
        if ref.name.startswith("refs/heads/")
    ]
    return ok(rows, total=len(rows))


def put_attributes(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """Create a branch as this client does: it writes `.gitattributes` on a new one."""
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.NewAttributes)
    branch = text_or(body.new_branch or body.branch, found.default_branch)
    try:
        data = base64.b64decode(body.content, validate=False)
    except (binascii.Error, ValueError):
        raise MalformedBody(reason="“content” is not base64") from None
    now = timezone.now()
    with suppress(RefExists):  # it may be there, from a run that was interrupted
        create_branch(actor=actor(request), repository=found, name=branch, now=now)
    target = open_target(actor=actor(request), repository=found, revision=branch)
    with target.staging(now) as staging:
        staged = staging.add(".gitattributes", [data])
    new = NewCommit(
        operations=[staged],
        title=text_or(body.message, "Update .gitattributes"),
        only_changes=True,
    )
    target.commit(new, now)
    return ok(None)


_repo = "<csg_type:kind>/<repo_id:repo_id>"
urlpatterns = [
    path("<csg_type:kind>", route(POST=create)),
    path(_repo, route(GET=detail, DELETE=delete)),
    path(f"{_repo}/branches", route(GET=branches)),
    path(f"{_repo}/raw/.gitattributes", route(POST=put_attributes)),
]
