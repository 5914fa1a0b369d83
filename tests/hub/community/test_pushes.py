"""Pushes by git's own `receive-pack`, with requests as a client sends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.community.errors import PullRequestFinished
from hub.community.models import Discussion, Status
from hub.community.services import (
    discussions,
    open_pull_request,
    open_target,
    pull_requests,
    require_push,
)
from hub.community.services.pushes import reasons_against_refs
from hub.gitstore import RefUpdate
from hub.repos import services as repos
from hub.repos.errors import RepositoryArchived, RepositoryDenied, RepositoryGated
from hub.repos.models import Repository
from hub.revisions import refs, selectors
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.factories.hub import NOW
from tests.hub.community.pushing import overtake, request_of, send
from tests.hub.revisions.test_commits import blob
from tests.hub.revisions.test_pushes import next_commit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def bob() -> Principal:
    return make.actor("bob")


@pytest.fixture
def repository(alice: Principal) -> Repository:
    return make.repository(alice)


def draft_of(actor: Principal, repository: Repository) -> Discussion:
    return open_pull_request(actor=actor, repository=repository, title="Mend it", text="", now=NOW)


@pytest.fixture
def push(tmp_path: Path) -> Callable[..., list[str]]:
    """Push refs to objects that the repository has; the lines of git's report."""

    def push(
        actor: Principal, repository: Repository, *updates: RefUpdate, atomic: bool = False
    ) -> list[str]:
        return send(tmp_path / "request", actor, repository, request_of(*updates, atomic=atomic))

    return push


class TestRequirePush:
    def test_lets_writers_and_authors_of_open_pull_requests_in(
        self, alice: Principal, bob: Principal, repository: Repository
    ) -> None:
        require_push(actor=alice, repository=repository)
        with pytest.raises(RepositoryDenied):
            require_push(actor=bob, repository=repository)
        pull_request = draft_of(bob, repository)
        require_push(actor=bob, repository=repository)
        discussions.change_status(actor=bob, discussion=pull_request, status=Status.CLOSED, now=NOW)
        with pytest.raises(RepositoryDenied):
            require_push(actor=bob, repository=repository)

    def test_keeps_the_author_out_of_what_is_gated_or_archived(
        self, alice: Principal, bob: Principal, repository: Repository
    ) -> None:
        draft_of(bob, repository)
        repository.gating = "manual"
        with pytest.raises(RepositoryGated):
            require_push(actor=bob, repository=repository)
        repository.gating, repository.is_archived = "", True
        with pytest.raises(RepositoryArchived):
            require_push(actor=bob, repository=repository)


class TestReasonsAgainstRefs:
    @pytest.mark.parametrize(
        ("ref", "old", "new", "words"),
        [
            ("refs/pr/3", False, True, "is not a pull request"),
            ("refs/pr/3", True, True, "is not a pull request"),
            ("refs/pr/3", True, False, "close that instead"),
        ],
    )
    def test_name_the_ref_and_the_rule(
        self, alice: Principal, repository: Repository, ref: str, old: bool, new: bool, words: str
    ) -> None:
        sha = repository.head_sha
        change = RefUpdate(ref, sha if old else None, sha if new else None)
        [reason] = reasons_against_refs(alice, repository, [change])
        assert words in reason

    def test_hold_an_author_to_their_own_pull_request(
        self, alice: Principal, bob: Principal, repository: Repository
    ) -> None:
        sha = repository.head_sha
        own, other = draft_of(bob, repository), draft_of(alice, repository)
        assert reasons_against_refs(bob, repository, [RefUpdate(own.ref, sha, sha)]) == []
        assert reasons_against_refs(alice, repository, [RefUpdate(own.ref, sha, sha)]) == []
        for ref in (other.ref, "refs/heads/main", "refs/tags/v1"):
            [reason] = reasons_against_refs(bob, repository, [RefUpdate(ref, sha, sha)])
            assert ref in reason

    def test_name_each_ref(self, bob: Principal, repository: Repository) -> None:
        sha = repository.head_sha
        changes = [RefUpdate(f"refs/heads/{name}", None, sha) for name in "ab"]
        assert len(reasons_against_refs(bob, repository, changes)) == 2


class TestReceivePush:
    def test_moves_makes_and_deletes_several_refs(
        self, alice: Principal, repository: Repository, push: Callable[..., list[str]]
    ) -> None:
        old = repository.head_sha
        new = next_commit(repository, old, "one.txt")
        report = push(
            alice,
            repository,
            RefUpdate("refs/heads/main", old, new),
            RefUpdate("refs/heads/dev", None, old),
            RefUpdate("refs/tags/v1", None, new),
        )
        assert report == ["unpack ok", "ok refs/heads/main", "ok refs/heads/dev", "ok refs/tags/v1"]
        assert push(alice, repository, RefUpdate("refs/heads/dev", old, None)) == [
            "unpack ok",
            "ok refs/heads/dev",
        ]
        held = ref_rows.all_of(repository)
        assert held == {"refs/heads/main": new, "refs/tags/v1": new}
        repository.refresh_from_db()
        assert repository.head_sha == new

    def test_moves_each_ref_by_itself_unless_all_are_to_move(
        self, alice: Principal, repository: Repository, push: Callable[..., list[str]]
    ) -> None:
        stale = next_commit(repository, repository.head_sha, "stale.txt")
        other = next_commit(repository, stale, "other.txt")
        updates = [RefUpdate("refs/heads/main", stale, other), RefUpdate("refs/heads/dev", None, other)]
        assert push(alice, repository, *updates, atomic=True) == [
            "unpack ok",
            "ng refs/heads/main moved meanwhile, fetch first",
            "ng refs/heads/dev another ref of this push did not move",
        ]
        assert push(alice, repository, *updates) == [
            "unpack ok",
            "ng refs/heads/main moved meanwhile, fetch first",
            "ok refs/heads/dev",
        ]
        assert selectors.resolve(repository, "dev") == other

    def test_passes_a_report_larger_than_a_pipe(
        self, alice: Principal, repository: Repository, push: Callable[..., list[str]]
    ) -> None:
        stale = next_commit(repository, repository.head_sha, "stale.txt")
        updates = [RefUpdate(f"refs/tags/{number:0200}", stale, stale) for number in range(400)]
        report = push(alice, repository, *updates)
        assert report[0] == "unpack ok"
        assert {line.partition(" moved")[2] for line in report[1:]} == {" meanwhile, fetch first"}
        assert len(report) == 401

    def test_refuses_the_ref_of_a_finished_pull_request(
        self, bob: Principal, repository: Repository, push: Callable[..., list[str]]
    ) -> None:
        pull_request = draft_of(bob, repository)
        draft_of(bob, repository)  # another one of bob's is open, so that the push is let in
        old = repository.head_sha
        new = next_commit(repository, old, "one.txt")
        assert push(bob, repository, RefUpdate(pull_request.ref, old, new))[1] == f"ok {pull_request.ref}"
        discussions.change_status(actor=bob, discussion=pull_request, status=Status.CLOSED, now=NOW)
        assert push(bob, repository, RefUpdate(pull_request.ref, new, old))[1:] == [
            f"ng {pull_request.ref} pre-receive hook declined"
        ]
        assert ref_rows.commit_of(repository, pull_request.ref) == new


def commit_of(repository: Repository, path: str) -> NewCommit:
    return NewCommit(operations=[blob(repository, path)], title="Add a file")


class TestOvertakenPush:
    """Something changes after a push was checked and before its refs move."""

    def test_to_a_pull_request_that_is_closed_is_refused(
        self,
        bob: Principal,
        repository: Repository,
        push: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pull_request = draft_of(bob, repository)
        new = next_commit(repository, repository.head_sha, "one.txt")
        closed = Discussion.objects.filter(pk=pull_request.pk)
        overtake(monkeypatch, lambda: closed.update(status=Status.CLOSED))
        [_, result] = push(bob, repository, RefUpdate(pull_request.ref, repository.head_sha, new))
        assert result == f"ng {pull_request.ref} Pull request 1 is closed; nothing can be added to it."
        assert ref_rows.commit_of(repository, pull_request.ref) == repository.head_sha

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"is_archived": True}, "archived"),
            ({"is_disabled": True}, "disabled"),
            ({"deleted_at": NOW}, "deleted in the meantime"),
        ],
    )
    def test_to_a_repository_that_may_not_change_any_more_is_refused(
        self,
        alice: Principal,
        repository: Repository,
        push: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
        fields: dict[str, object],
        words: str,
    ) -> None:
        found = Repository.objects.filter(pk=repository.pk)
        overtake(monkeypatch, lambda: found.update(**fields))
        [_, result] = push(alice, repository, RefUpdate("refs/heads/dev", None, repository.head_sha))
        assert result.startswith("ng refs/heads/dev ")
        assert words in result
        assert ref_rows.commit_of(repository, "refs/heads/dev") is None

    def test_by_somebody_who_lost_the_role_is_refused(
        self,
        alice: Principal,
        bob: Principal,
        repository: Repository,
        push: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert bob.user is not None
        repos.set_collaborator(actor=alice, repository=repository, user=bob.user, role=Role.WRITE)
        overtake(monkeypatch, lambda: repository.collaborators.all().delete())
        [_, result] = push(bob, repository, RefUpdate("refs/heads/dev", None, repository.head_sha))
        assert result == "ng refs/heads/dev You can't push to refs/heads/dev."

    def test_commit_to_a_pull_request_that_is_merged_is_refused(
        self, alice: Principal, repository: Repository
    ) -> None:
        """The same holds for commits that come another way."""
        proposed = make.commit_as_pull_request(
            actor=alice, repository=repository, revision="main", request=commit_of(repository, "a"), now=NOW
        )
        target = open_target(actor=alice, repository=repository, revision=proposed.pull_request.ref)
        pull_requests.merge(actor=alice, pull_request=proposed.pull_request, now=NOW)
        with pytest.raises(PullRequestFinished):
            target.commit(commit_of(repository, "b"), NOW)

    def test_squash_of_a_pull_request_that_is_merged_is_refused(
        self, alice: Principal, repository: Repository
    ) -> None:
        proposed = make.commit_as_pull_request(
            actor=alice, repository=repository, revision="main", request=commit_of(repository, "a"), now=NOW
        )
        ref = proposed.pull_request.ref
        target = open_target(actor=alice, repository=repository, revision=ref)
        discussions.change_status(
            actor=alice, discussion=proposed.pull_request, status=Status.CLOSED, now=NOW
        )
        before = refs.commit_of(repository, ref)
        with pytest.raises(PullRequestFinished):
            target.squash("One", NOW)
        with pytest.raises(PullRequestFinished):
            open_target(actor=alice, repository=repository, revision=ref)
        assert refs.commit_of(repository, ref) == before

    def test_squash_leaves_one_commit_on_an_open_pull_request(
        self, alice: Principal, repository: Repository
    ) -> None:
        proposed = make.commit_as_pull_request(
            actor=alice, repository=repository, revision="main", request=commit_of(repository, "a"), now=NOW
        )
        ref = proposed.pull_request.ref
        open_target(actor=alice, repository=repository, revision=ref).squash("One", NOW)
        git = selectors.git_of(repository)
        squashed = refs.commit_of(repository, ref)
        assert squashed is not None
        assert [commit.title for commit in git.history(squashed)] == ["One"]
