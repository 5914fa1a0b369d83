"""A repository is archived, disabled or deleted after a request looked it up, and before it has the lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from foundation.errors import Refusal
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.community.models import Discussion, DiscussionEvent, Status
from hub.community.services import discussions, pull_requests
from hub.gitstore import RefUpdate
from hub.gitstore.questions import Push
from hub.repos import locking
from hub.repos.errors import (
    RepositoryArchived,
    RepositoryDisabled,
    RepositoryGated,
    RepositoryNotFound,
)
from hub.repos.locking import LockedRepository
from hub.repos.models import Collaborator, Repository
from hub.revisions import pushes as revision_pushes
from hub.revisions import services
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.hub.revisions.test_commits import blob, stored

pytestmark = pytest.mark.django_db

STATES: tuple[tuple[dict[str, Any], type[Refusal]], ...] = (
    ({"is_archived": True}, RepositoryArchived),
    ({"is_disabled": True}, RepositoryDisabled),
    ({"deleted_at": make.NOW}, RepositoryNotFound),
)


@dataclass
class Scene:
    """A repository with a second branch, a tag, a large object and an open pull request."""

    alice: Principal
    repo: Repository
    pull_request: Discussion
    oid: str

    def request(self, name: str = "new.txt") -> NewCommit:
        return NewCommit(operations=[blob(self.repo, name, name.encode())], title="Add a file")

    @property
    def common(self) -> dict[str, Any]:
        return {"actor": self.alice, "repository": self.repo, "now": make.NOW}


@pytest.fixture
def scene() -> Scene:
    alice = make.actor("alice")
    repo = make.repository(alice, "model")
    common: dict[str, Any] = {"actor": alice, "repository": repo, "now": make.NOW}
    large = stored(repo, "w.safetensors", b"weights")
    services.commit(revision="main", request=NewCommit(operations=[large], title="Weights"), **common)
    services.create_branch(name="dev", **common)
    services.create_tag(name="v1", revision="main", **common)
    request = NewCommit(operations=[blob(repo, "proposed.txt")], title="A proposal")
    proposed = make.commit_as_pull_request(revision="main", request=request, **common)
    repo.refresh_from_db()
    return Scene(alice, repo, proposed.pull_request, large.oid)


def _raise(reasons: list[str]) -> None:
    """A push gets its reasons as text; this raises the refusal that each text comes from."""
    refusals = {
        "The repository was deleted in the meantime.": RepositoryNotFound(repo_id="alice/model"),
        str(RepositoryDisabled()): RepositoryDisabled(),
        str(RepositoryArchived(repo_id="alice/model")): RepositoryArchived(repo_id="alice/model"),
    }
    for reason in reasons:
        raise refusals[reason]


def _check_push(scene: Scene) -> None:
    push = Push([RefUpdate("refs/heads/pushed", None, scene.repo.head_sha)], None)
    reasons, _ = revision_pushes.reasons_against(push=push, authorize=lambda *_: [], **scene.common)
    _raise(reasons)


def _push(scene: Scene) -> None:
    updates = [RefUpdate("refs/heads/pushed", None, scene.repo.head_sha)]
    refused = services.move_pushed(updates=updates, authorize=lambda *_: [], **scene.common)
    _raise(list(refused.values()))


def _rewrite(scene: Scene, *, history: bool) -> None:
    services.delete_lfs_files(oids=[scene.oid], rewrite_history=history, **scene.common)


MOVES: dict[str, Callable[[Scene], object]] = {
    "commit": lambda scene: services.commit(revision="main", request=scene.request(), **scene.common),
    "create a branch": lambda scene: services.create_branch(name="x", **scene.common),
    "move a branch": lambda scene: services.create_branch(
        name="dev", is_empty=True, overwrite=True, **scene.common
    ),
    "delete a branch": lambda scene: services.delete_branch(name="dev", **scene.common),
    "create a tag": lambda scene: services.create_tag(name="v2", revision="main", **scene.common),
    "delete a tag": lambda scene: services.delete_tag(name="v1", **scene.common),
    "squash": lambda scene: services.super_squash(revision="main", message="One", **scene.common),
    "delete large files": lambda scene: _rewrite(scene, history=False),
    "rewrite the history": lambda scene: _rewrite(scene, history=True),
    "check a push": _check_push,
    "push": _push,
    "open a draft": lambda scene: pull_requests.open_pull_request(title="Draft", text="", **scene.common),
    "propose a commit": lambda scene: make.commit_as_pull_request(
        revision="main", request=scene.request(), **scene.common
    ),
    "commit to a pull request": lambda scene: make.commit_to_pull_request(
        number=scene.pull_request.number, request=scene.request(), **scene.common
    ),
    "merge": lambda scene: pull_requests.merge(
        actor=scene.alice, pull_request=scene.pull_request, now=make.NOW
    ),
    "close": lambda scene: discussions.change_status(
        actor=scene.alice, discussion=scene.pull_request, status=Status.CLOSED, now=make.NOW
    ),
}


def refs(scene: Scene) -> dict[str, str]:
    return ref_rows.all_of(scene.repo)


@pytest.mark.parametrize("move", MOVES)
def test_is_seen_under_the_lock_and_stops_only_then(
    scene: Scene, move: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, events = refs(scene), DiscussionEvent.objects.count()
    take = locking.lock_repository
    for fields, refusal in STATES:

        def overtaken(pk: int, fields: dict[str, Any] = fields) -> LockedRepository:
            # The refusal rolls this back, too.
            Repository.objects.filter(pk=pk).update(**fields)
            return take(pk)

        monkeypatch.setattr(locking, "lock_repository", overtaken)
        with pytest.raises(refusal):
            MOVES[move](scene)
        assert refs(scene) == before
        assert DiscussionEvent.objects.count() == events
    monkeypatch.undo()
    MOVES[move](scene)
    assert move == "check a push" or refs(scene) != before or DiscussionEvent.objects.count() > events


# Rights of a push are asked by the room of pull requests; see TestOvertakenPush.
@pytest.mark.parametrize("move", [name for name in MOVES if "push" not in name])
def test_of_rights_are_made_again_under_the_lock(
    scene: Scene, move: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collaborator of a private repository is removed before the lock."""
    carol = make.user("carol")
    Repository.objects.filter(pk=scene.repo.pk).update(visibility="private")
    Collaborator.objects.create(repository=scene.repo, user=carol, role=Role.ADMIN)
    theirs = replace(
        scene,
        alice=Principal(user=carol),
        repo=Repository.objects.with_owner().get(pk=scene.repo.pk),
        pull_request=Discussion.objects.get(pk=scene.pull_request.pk),
    )
    before, events = refs(scene), DiscussionEvent.objects.count()
    take = locking.lock_repository

    def overtaken(pk: int) -> LockedRepository:
        # The refusal rolls this back, too.
        Collaborator.objects.filter(repository_id=pk).delete()
        return take(pk)

    monkeypatch.setattr(locking, "lock_repository", overtaken)
    with pytest.raises(RepositoryNotFound):
        MOVES[move](theirs)
    assert refs(scene) == before
    assert DiscussionEvent.objects.count() == events
    monkeypatch.undo()
    MOVES[move](theirs)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"is_disabled": True}, RepositoryDisabled),
        ({"deleted_at": make.NOW}, RepositoryNotFound),
        ({"visibility": "private"}, RepositoryNotFound),
        ({"gating": "manual"}, RepositoryGated),
    ],
)
def test_of_the_source_of_a_duplicate_are_made_again_under_its_lock(
    scene: Scene, fields: dict[str, Any], refusal: type[Refusal], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = make.actor("bob")
    take = locking.lock_repository

    def overtaken(pk: int) -> LockedRepository:
        Repository.objects.filter(pk=pk).update(**fields)
        return take(pk)

    def duplicate(to: str) -> Repository:
        return services.duplicate(actor=bob, repository=scene.repo, to=to, visibility=None, now=make.NOW)

    folders = set(Path(settings.GIT_ROOT).glob("*/*/*"))
    monkeypatch.setattr(locking, "lock_repository", overtaken)
    with pytest.raises(refusal):
        duplicate("bob/copy")
    assert set(Path(settings.GIT_ROOT).glob("*/*/*")) == folders
    monkeypatch.undo()
    assert duplicate("bob/copy").head_sha == scene.repo.head_sha
