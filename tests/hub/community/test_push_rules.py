"""Pushes that no client of git sends: names of refs in other spellings, stale refs, refs named twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import Refusal
from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import InvalidRefName, RefUpdate
from hub.repos import locking
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from hub.revisions import selectors, services
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.community.pushing import request_of, send
from tests.hub.revisions.test_pushes import next_commit

pytestmark = pytest.mark.django_db

Push = Callable[..., list[str]]
# Spellings of refs/heads/main that libgit2 takes for it, and others that it refuses.
SPELLINGS = (
    "refs/heads//main",
    "refs//heads/main",
    "/refs/heads/main",
    "refs/heads/main/",
    "refs/heads/./main",
    "refs/heads/x/../main",
)


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repository(alice: Principal) -> Repository:
    return make.repository(alice)


@pytest.fixture
def push(tmp_path: Path) -> Push:
    def push(actor: Principal, repository: Repository, *updates: RefUpdate, **options: bytes) -> list[str]:
        return send(tmp_path / "request", actor, repository, request_of(*updates, **options))

    return push


def refs(repository: Repository) -> dict[str, str]:
    return {ref.name: ref.target for ref in selectors.git_of(repository).refs()}


class TestNames:
    @pytest.mark.parametrize("ref", SPELLINGS)
    def test_in_other_spellings_move_and_delete_nothing(
        self, alice: Principal, repository: Repository, push: Push, ref: str
    ) -> None:
        head, before = repository.head_sha, refs(repository)
        new = next_commit(repository, head, "one.txt")
        for update in (RefUpdate(ref, head, None), RefUpdate(ref, head, new), RefUpdate(ref, None, new)):
            assert push(alice, repository, update)[1:] == [f"ng {ref} pre-receive hook declined"]
            assert services.move_pushed(
                actor=alice, repository=repository, updates=[update], authorize=lambda *_: [], now=NOW
            ).keys() == {ref}
        assert refs(repository) == before

    @pytest.mark.parametrize("ref", SPELLINGS)
    def test_in_other_spellings_are_no_refs_for_git_itself(self, repository: Repository, ref: str) -> None:
        """So no address of the API passes a rule about the default branch by either."""
        git, head = selectors.git_of(repository), repository.head_sha
        assert git.target(ref) is None
        assert git.held_by(ref) is None
        with pytest.raises(InvalidRefName):
            git.create_ref(ref.replace("main", "new"), head)
        with pytest.raises(gitstore.RevisionNotFound):
            git.delete_ref(ref)
        with pytest.raises(gitstore.RefChanged):
            git.move_ref(ref, old=head, new=next_commit(repository, head, "one.txt"))

    @pytest.mark.parametrize("name", ["/main", "main/", "refs/heads//main"])
    def test_in_other_spellings_pass_no_rule_of_the_api_by(
        self, alice: Principal, repository: Repository, name: str
    ) -> None:
        before = refs(repository)
        with pytest.raises(Refusal):
            services.delete_branch(actor=alice, repository=repository, name=name, now=NOW)
        with pytest.raises(Refusal):
            services.super_squash(actor=alice, repository=repository, revision=name, message="One", now=NOW)
        assert refs(repository) == before


class TestRefNamedTwice:
    def test_is_refused_and_moves_nothing(self, alice: Principal, repository: Repository, push: Push) -> None:
        head = repository.head_sha
        new = next_commit(repository, head, "one.txt")
        assert push(alice, repository, RefUpdate("refs/heads/a", None, head))[1:] == ["ok refs/heads/a"]
        before = refs(repository)
        report = push(
            alice, repository, RefUpdate("refs/heads/a", head, None), RefUpdate("refs/heads/a", head, new)
        )
        assert report[1:] == ["ng refs/heads/a pre-receive hook declined"] * 2
        assert refs(repository) == before


class TestDefaultBranch:
    def test_that_became_it_after_the_check_is_not_deleted(
        self, alice: Principal, repository: Repository, push: Push, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = repository.head_sha
        push(alice, repository, RefUpdate("refs/heads/dev", None, head))
        take, calls = locking.lock_repository, iter(range(100))

        def overtaken(pk: int) -> LockedRepository:
            # The first lock of a push links its large objects, the second moves its refs.
            if next(calls) == 1:
                Repository.objects.filter(pk=pk).update(default_branch="dev")
            return take(pk)

        monkeypatch.setattr(locking, "lock_repository", overtaken)
        [_, result] = push(alice, repository, RefUpdate("refs/heads/dev", head, None))
        assert "is the default branch and cannot be deleted" in result
        assert refs(repository)["refs/heads/dev"] == head
