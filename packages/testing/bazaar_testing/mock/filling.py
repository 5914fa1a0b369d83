"""Puts people and repositories in place for a test, through the hub's own use cases."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from foundation.errors import Invalid, NotFound
from hub.accounts import services as accounts
from hub.accounts.models import Role
from hub.accounts.principals import SYSTEM
from hub.accounts.selectors import get_namespace
from hub.accounts.services import Profile
from hub.accounts.token_text import new_token_text
from hub.catalogue import files as catalogue_files
from hub.catalogue.entries import entries
from hub.repos import services as repositories
from hub.repos.selectors import find_repository
from hub.revisions import services as revisions
from hub.revisions.services import NewCommit
from hub.revisions.staging import Staging

TESTER = "tester"


def add_user(name: str, *, scopes: str = "write,trade") -> str:
    """Create the user if it does not exist. Returns a new token of the user."""
    user, _ = accounts.ensure_user(actor=SYSTEM, name=name)
    token = new_token_text()
    accounts.ensure_token(actor=SYSTEM, user=user, secret=token, scopes=scopes.split(","))
    return token


def add_repository(values: dict[str, Any], *, now: datetime) -> str:
    """Make a repository with these files, or commit them to the one that is there; gives its head.

    A missing owner is made as an organization, in which the tester may write.
    """
    kind, repo_id = str(values.get("kind", "model")), str(values["id"])
    contents = {path: base64.b64decode(data) for path, data in values.get("files", {}).items()}
    if like := values.get("like"):
        contents = {**_files_of(str(like)), **contents}
    ensure_owner(repo_id.partition("/")[0])
    repository = find_repository(kind=kind, repo_id=repo_id) or repositories.create_repository(
        actor=SYSTEM,
        request=repositories.NewRepository(
            kind=kind, repo_id=repo_id, visibility="private" if values.get("private") else "public"
        ),
        now=now,
    )
    if contents:
        with Staging(repository=repository, commit=repository.head_sha, now=now) as staging:
            operations = [staging.add(path, [data]) for path, data in contents.items()]
        revisions.commit(
            actor=SYSTEM,
            repository=repository,
            revision=repository.default_branch,
            request=NewCommit(operations=operations, title="Add files"),
            now=now,
        )
    if values.get("gated"):
        repository.refresh_from_db()
        repositories.change_settings(
            actor=SYSTEM, repository=repository, change=repositories.Settings(gating=str(values["gated"]))
        )
    repository.refresh_from_db()
    return repository.head_sha


def ensure_owner(name: str) -> None:
    """Make a missing owner as an organization, in which the tester may do everything."""
    try:
        get_namespace(name)
    except NotFound:
        accounts.ensure_organization(actor=SYSTEM, name=name, profile=Profile())
        tester, _ = accounts.ensure_user(actor=SYSTEM, name=TESTER)
        accounts.ensure_member(actor=SYSTEM, organization_name=name, user=tester, role=Role.ADMIN)


def _files_of(like: str) -> dict[str, bytes]:
    for entry in entries():
        if entry.id == like:
            return {**catalogue_files.regular(entry), **catalogue_files.large(entry)}
    raise Invalid(reason=f"The catalogue has no “{like}”.")
