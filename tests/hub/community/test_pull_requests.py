from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from foundation.errors import Unauthenticated
from hub.accounts.models import Role
from hub.accounts.principals import SYSTEM, Principal
from hub.community import services
from hub.community.errors import (
    DiscussionDenied,
    DiscussionsDisabled,
    NotAPullRequest,
    PullRequestConflicts,
    PullRequestFinished,
    StatusRefused,
)
from hub.community.models import Discussion, EventType, Status
from hub.community.selectors import discussions as selectors
from hub.community.services import discussions as threads
from hub.community.services import pull_requests
from hub.gitstore import RefChanged, RevisionNotFound
from hub.gitstore.errors import TreeTooLarge
from hub.repos import services as repos
from hub.repos.errors import RepositoryDenied
from hub.repos.models import Repository
from hub.revisions import selectors as revisions
from hub.revisions import services as commits
from hub.revisions.errors import NothingToDelete
from hub.revisions.operations import AddBlob, DeleteFile, Operation
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def guest() -> Principal:
    return make.actor("gus")


@pytest.fixture
def repository(owner: Principal) -> Repository:
    return make.repository(owner, "thing", files={"a.txt": b"one\n", "b.txt": b"two\n"})


def adding(repository: Repository, path: str, content: bytes, title: str = "Add it") -> NewCommit:
    blob = revisions.git_of(repository).write_blob(content)
    return NewCommit(operations=[AddBlob(path=path, blob=blob, size=len(content))], title=title)


def deleting(path: str) -> NewCommit:
    operations: list[Operation] = [DeleteFile(path)]
    return NewCommit(operations=operations, title="Delete it")


def opened(actor: Principal, repository: Repository, **fields: str) -> Discussion:
    return services.open_pull_request(
        actor=actor, repository=repository, title="My idea", text="", now=NOW, **fields
    )


def push(actor: Principal, repository: Repository, request: NewCommit) -> None:
    commits.commit(actor=actor, repository=repository, revision="main", request=request, now=NOW)


class TestOpening:
    def test_makes_a_draft_whose_ref_is_at_the_head_of_the_base(
        self, guest: Principal, repository: Repository
    ) -> None:
        draft = opened(guest, repository)
        revisions.git_of(repository)
        assert (draft.number, draft.status, draft.base_ref) == (1, Status.DRAFT, "refs/heads/main")
        assert ref_rows.commit_of(repository, "refs/pr/1") == ref_rows.commit_of(
            repository, "refs/heads/main"
        )

    def test_shares_the_numbers_with_discussions(self, guest: Principal, repository: Repository) -> None:
        threads.open_discussion(actor=guest, repository=repository, title="A question", text="?", now=NOW)
        assert opened(guest, repository).number == 2

    def test_takes_the_place_of_a_ref_that_a_crash_left(
        self, guest: Principal, repository: Repository
    ) -> None:
        git = revisions.git_of(repository)
        left = git.write_commit(
            tree=git.commit(repository.head_sha).tree,
            parents=[],
            message="left\n",
            author=repos.git_author(guest),
            at=NOW,
        )
        ref_rows.put(repository, "refs/pr/1", left)
        opened(guest, repository)
        assert ref_rows.commit_of(repository, "refs/pr/1") == repository.head_sha

    def test_is_only_against_a_branch(self, guest: Principal, repository: Repository) -> None:
        for base in (repository.head_sha, "nothing", "refs/pr/1"):
            with pytest.raises(RevisionNotFound):
                opened(guest, repository, base=base)
        assert not Discussion.objects.exists()

    def test_is_not_for_strangers_nor_where_discussions_are_disabled(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        with pytest.raises(Unauthenticated):
            opened(Principal(), repository)
        change = repos.Settings(discussions_disabled=True)
        repository = repos.change_settings(actor=owner, repository=repository, change=change)
        with pytest.raises(DiscussionsDisabled):
            opened(guest, repository)


class TestCommitting:
    def test_a_reader_proposes_a_commit_in_one_step(self, guest: Principal, repository: Repository) -> None:
        proposed = make.commit_as_pull_request(
            actor=guest,
            repository=repository,
            revision="main",
            request=adding(repository, "c.txt", b"three\n"),
            now=NOW,
        )
        pull_request = proposed.pull_request
        revisions.git_of(repository)
        assert (pull_request.title, pull_request.status) == ("Add it", Status.OPEN)
        assert ref_rows.commit_of(repository, "refs/pr/1") == proposed.committed.oid
        assert ref_rows.commit_of(repository, "refs/heads/main") == repository.head_sha
        events = selectors.list_events(actor=SYSTEM, discussion=pull_request)
        assert [event.type for event in events] == [EventType.COMMENT, EventType.COMMIT]
        assert events[1].data == {"subject": "Add it", "oid": proposed.committed.oid}

    def test_a_refused_commit_leaves_no_pull_request(self, guest: Principal, repository: Repository) -> None:
        with pytest.raises(NothingToDelete):
            make.commit_as_pull_request(
                actor=guest, repository=repository, revision="main", request=deleting("none"), now=NOW
            )
        assert not Discussion.objects.exists()
        assert ref_rows.commit_of(repository, "refs/pr/1") is None

    def test_the_author_adds_commits_and_others_do_not(
        self, guest: Principal, repository: Repository
    ) -> None:
        opened(guest, repository)
        request = adding(repository, "c.txt", b"three\n")
        make.commit_to_pull_request(actor=guest, repository=repository, number=1, request=request, now=NOW)
        with pytest.raises(DiscussionDenied):
            make.commit_to_pull_request(
                actor=make.actor(), repository=repository, number=1, request=request, now=NOW
            )

    def test_a_closed_one_takes_no_more(self, guest: Principal, repository: Repository) -> None:
        draft = opened(guest, repository)
        threads.change_status(actor=guest, discussion=draft, status="closed", now=NOW)
        with pytest.raises(PullRequestFinished):
            pull_requests.require_push(actor=guest, repository=repository, number=1)


class TestMerging:
    def proposed(self, actor: Principal, repository: Repository, path: str, content: bytes) -> Discussion:
        return make.commit_as_pull_request(
            actor=actor,
            repository=repository,
            revision="main",
            request=adding(repository, path, content),
            now=NOW,
        ).pull_request

    def test_fast_forwards_where_that_suffices(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        pull_request = self.proposed(guest, repository, "c.txt", b"three\n")
        event = pull_requests.merge(actor=owner, pull_request=pull_request, text="Thanks!", now=NOW)
        pull_request.refresh_from_db()
        repository.refresh_from_db()
        revisions.git_of(repository)
        assert event.data == {"status": "merged"}
        assert pull_request.status == Status.MERGED
        assert (
            pull_request.merge_commit_sha
            == ref_rows.commit_of(repository, "refs/pr/1")
            == ref_rows.commit_of(repository, "refs/heads/main")
        )
        assert repository.head_sha == pull_request.merge_commit_sha

    def test_makes_a_merge_commit_where_both_sides_moved(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        pull_request = self.proposed(guest, repository, "c.txt", b"three\n")
        push(owner, repository, adding(repository, "d.txt", b"four\n"))
        pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        git = revisions.git_of(repository)
        merged = git.commit(ref_rows.main_of(repository))
        assert len(merged.parents) == 2
        assert merged.title == "Merge pull request #1"
        assert {entry.path for entry in git.entries(merged.oid)} >= {"a.txt", "c.txt", "d.txt"}

    def test_does_not_join_more_files_than_a_commit_may_hold(
        self, owner: Principal, guest: Principal, repository: Repository, settings: Settings
    ) -> None:
        pull_request = self.proposed(guest, repository, "c.txt", b"three\n")
        push(owner, repository, adding(repository, "d.txt", b"four\n"))
        head = Repository.objects.get(pk=repository.pk).head_sha
        settings.GIT_TREE_ENTRIES_MAX = 2
        with pytest.raises(TreeTooLarge):
            pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        assert Repository.objects.get(pk=repository.pk).head_sha == head

    def test_keeps_the_diff_of_what_was_merged(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        pull_request = self.proposed(guest, repository, "c.txt", b"three\n")
        before = selectors.proposal_of(actor=owner, pull_request=pull_request)
        assert before is not None
        pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        pull_request.refresh_from_db()
        after = selectors.proposal_of(actor=owner, pull_request=pull_request)
        assert after == before
        assert "+three" in selectors.diff_of(actor=owner, pull_request=pull_request, proposal=after)

    def test_names_the_files_that_conflict_and_changes_nothing(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        pull_request = self.proposed(guest, repository, "a.txt", b"mine\n")
        push(owner, repository, adding(repository, "a.txt", b"theirs\n"))
        head = ref_rows.main_of(repository)
        proposal = selectors.proposal_of(actor=owner, pull_request=pull_request)
        assert proposal is not None
        assert proposal.conflicts == ["a.txt"]
        with pytest.raises(PullRequestConflicts, match=r"a\.txt"):
            pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        pull_request.refresh_from_db()
        assert pull_request.status == Status.OPEN
        assert ref_rows.main_of(repository) == head

    def test_needs_write_and_an_open_pull_request(
        self, owner: Principal, guest: Principal, repository: Repository
    ) -> None:
        draft = opened(guest, repository)
        with pytest.raises(RepositoryDenied):
            pull_requests.merge(actor=guest, pull_request=draft, now=NOW)
        with pytest.raises(StatusRefused):
            pull_requests.merge(actor=owner, pull_request=draft, now=NOW)
        thread = threads.open_discussion(
            actor=guest, repository=repository, title="A question", text="", now=NOW
        )
        with pytest.raises(NotAPullRequest):
            pull_requests.merge(actor=owner, pull_request=thread, now=NOW)

    def test_happens_once(self, owner: Principal, guest: Principal, repository: Repository) -> None:
        pull_request = self.proposed(guest, repository, "c.txt", b"three\n")
        stale = Discussion.objects.get(pk=pull_request.pk)
        pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        with pytest.raises(StatusRefused):
            pull_requests.merge(actor=owner, pull_request=stale, now=NOW)

    def test_a_member_who_writes_may_merge(self, guest: Principal) -> None:
        writer = make.actor()
        assert writer.user is not None
        make.organization("acme", {writer.user: Role.WRITE})
        repository = make.repository(Principal(user=writer.user), namespace="acme")
        draft = opened(guest, repository)
        threads.change_status(actor=guest, discussion=draft, status="open", now=NOW)
        draft.refresh_from_db()
        pull_requests.merge(actor=Principal(user=writer.user), pull_request=draft, now=NOW)
        draft.refresh_from_db()
        assert draft.merge_commit_sha == repository.head_sha


def overtake(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: int) -> None:
    """Act once, when `after` more transactions have ended and before the next one begins."""
    begin, seen = transaction.atomic, iter(range(100))

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("durable") and next(seen) == after:
            act()
        return begin(*args, **kwargs)

    monkeypatch.setattr(transaction, "atomic", overtaken)


# A merge has one transaction, so nothing comes between its move and its record.
BEFORE, BETWEEN = 0, 1


class TestOvertakenMerge:
    """Something changes while a merge is under way."""

    @pytest.fixture
    def pull_request(self, guest: Principal, repository: Repository) -> Discussion:
        request = adding(repository, "c.txt", b"three\n")
        return make.commit_as_pull_request(
            actor=guest, repository=repository, revision="main", request=request, now=NOW
        ).pull_request

    @pytest.mark.parametrize("after", [BEFORE, BETWEEN])
    def test_is_merged_only_with_all_its_commits(
        self,
        owner: Principal,
        guest: Principal,
        repository: Repository,
        pull_request: Discussion,
        monkeypatch: pytest.MonkeyPatch,
        after: int,
    ) -> None:
        late = adding(repository, "late.txt", b"late\n")
        common: dict[str, Any] = {"actor": guest, "repository": repository, "now": NOW}
        overtake(
            monkeypatch,
            lambda: make.commit_to_pull_request(number=1, request=late, **common),
            after=after,
        )
        refusals = []
        try:
            pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        except RefChanged as refusal:
            refusals.append(refusal)
        pull_request.refresh_from_db()
        git = revisions.git_of(repository)
        proposed, merged = ref_rows.commit_of(repository, "refs/pr/1"), ref_rows.main_of(repository)
        assert (pull_request.status == Status.MERGED) == git.is_ancestor(proposed, merged)
        assert len(refusals) == (after == BEFORE)

    @pytest.mark.parametrize("after", [BEFORE, BETWEEN])
    def test_of_a_closed_one_moves_nothing(
        self,
        owner: Principal,
        guest: Principal,
        repository: Repository,
        pull_request: Discussion,
        monkeypatch: pytest.MonkeyPatch,
        after: int,
    ) -> None:
        found = Discussion.objects.get(pk=pull_request.pk)
        overtake(
            monkeypatch,
            lambda: threads.change_status(actor=guest, discussion=found, status=Status.CLOSED, now=NOW),
            after=after,
        )
        refusals = []
        try:
            pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        except StatusRefused as refusal:
            refusals.append(refusal)
        pull_request.refresh_from_db()
        main = ref_rows.main_of(repository)
        assert (pull_request.status == Status.CLOSED) == (main == repository.head_sha)
        assert len(refusals) == (after == BEFORE)

    def test_is_made_again_where_the_base_moved(
        self,
        owner: Principal,
        repository: Repository,
        pull_request: Discussion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        theirs = adding(repository, "d.txt", b"four\n")
        overtake(monkeypatch, lambda: push(owner, repository, theirs), after=BEFORE)
        pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        git = revisions.git_of(repository)
        names = {entry.path for entry in git.entries(ref_rows.main_of(repository))}
        assert names >= {"a.txt", "c.txt", "d.txt"}

    def test_of_a_base_that_lost_the_commits_again_is_made_again(
        self,
        owner: Principal,
        repository: Repository,
        pull_request: Discussion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The commits were on the base already, so that the merge moves nothing."""
        revisions.git_of(repository)
        before, proposed = ref_rows.main_of(repository), ref_rows.commit_of(repository, "refs/pr/1")
        ref_rows.put(repository, "refs/heads/main", proposed)
        overtake(monkeypatch, lambda: ref_rows.put(repository, "refs/heads/main", before), after=BEFORE)
        pull_requests.merge(actor=owner, pull_request=pull_request, now=NOW)
        assert ref_rows.main_of(repository) == proposed


def test_a_pull_request_closed_before_its_first_commit_takes_none(
    guest: Principal, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close() -> None:
        discussion = Discussion.objects.get()
        threads.change_status(actor=guest, discussion=discussion, status=Status.CLOSED, now=NOW)

    # The first transaction opens the pull request, the second moves its ref.
    overtake(monkeypatch, close, after=1)
    request = adding(repository, "c.txt", b"three\n")
    with pytest.raises(PullRequestFinished):
        make.commit_as_pull_request(
            actor=guest, repository=repository, revision="main", request=request, now=NOW
        )
    assert Discussion.objects.get().status == Status.CLOSED
    assert ref_rows.commit_of(repository, "refs/pr/1") == repository.head_sha
