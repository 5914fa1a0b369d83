"""Users, organizations and repositories, made the way the hub makes them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from hub.accounts import services as accounts
from hub.accounts.models import AccessToken, Namespace, Role, User
from hub.accounts.principals import SYSTEM, Principal
from hub.community.models import Discussion
from hub.community.services import open_target
from hub.repos import services as repos
from hub.repos.models import Gating, Kind, Repository
from hub.revisions.services import Committed, NewCommit

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def user(name: str = "", *, password: str | None = None, email: str = "", full_name: str = "") -> User:
    return accounts.create_user(
        name=name or f"user{next(_numbers)}", password=password, email=email, full_name=full_name
    )


def actor(name: str = "") -> Principal:
    """Somebody signed in, who is new unless the name is known."""
    known = User.objects.filter(namespace__name=name).first() if name else None
    return Principal(user=known or user(name))


def organization(name: str = "", members: Mapping[User, Role] | None = None) -> Namespace:
    made = accounts.create_organization(actor=SYSTEM, name=name or f"org{next(_numbers)}")
    for member, role in (members or {}).items():
        accounts.set_member(actor=SYSTEM, organization=made, user=member, role=role)
    return made


def token(owner: User, *scopes: str, secret: str = "", cap_micros: int | None = None) -> str:
    """The text of a new token; `cap_micros` belongs to the scope deploy."""
    _, text = accounts.create_token(
        actor=Principal(user=owner),
        name="test",
        scopes=scopes or [AccessToken.Scope.WRITE],
        secret=secret or None,
        spend_cap_micros=cap_micros,
    )
    return text


def bearer(owner: User, *scopes: str) -> dict[str, str]:
    """Headers for Django's test client: `client.get(url, headers=bearer(user))`."""
    return {"Authorization": f"Bearer {token(owner, *scopes)}"}


def repository(
    owner: Principal | User,
    name: str = "",
    *,
    namespace: str = "",
    kind: str = Kind.MODEL,
    visibility: str = "public",
    gating: str = Gating.OPEN,
    files: Mapping[str, bytes] | None = None,
    now: datetime = NOW,
) -> Repository:
    """A repository with its first commit; `files` are top-level names."""
    principal = owner if isinstance(owner, Principal) else Principal(user=owner)
    made = repos.create_repository(
        actor=principal,
        request=repos.NewRepository(
            kind=kind,
            repo_id=f"{namespace or principal.name}/{name or f'repo{next(_numbers)}'}",
            visibility=visibility,
            files=files,
        ),
        now=now,
    )
    if gating:
        made = repos.change_settings(actor=SYSTEM, repository=made, change=repos.Settings(gating=gating))
    return made


class Proposed(NamedTuple):
    """A commit and the pull request that holds it."""

    pull_request: Discussion
    committed: Committed


def commit_as_pull_request(
    *, actor: Principal, repository: Repository, revision: str, request: NewCommit, now: datetime
) -> Proposed:
    """A new pull request that holds a commit, proposed against the branch `revision`."""
    target = open_target(actor=actor, repository=repository, revision=revision, is_new_pull_request=True)
    placed = target.commit(request, now)
    assert placed.pull_request is not None
    return Proposed(placed.pull_request, placed.committed)


def commit_to_pull_request(
    *, actor: Principal, repository: Repository, number: int, request: NewCommit, now: datetime
) -> Committed:
    """One more commit on a pull request."""
    target = open_target(actor=actor, repository=repository, revision=f"refs/pr/{number}")
    return target.commit(request, now).committed


def set_disabled(repository: Repository, *, is_disabled: bool = True) -> None:
    """An operator closes a repository for everybody, or opens it, as the administration's page does."""
    Repository.objects.filter(pk=repository.pk).update(is_disabled=is_disabled)
