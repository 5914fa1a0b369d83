"""Numbers, merges and likes when several people come at once."""

from __future__ import annotations

import pytest

from hub.accounts.principals import Principal
from hub.community import services
from hub.community.errors import StatusRefused
from hub.community.models import Discussion, DiscussionEvent, Status
from hub.community.services import discussions as threads
from hub.community.services import likes, pull_requests
from hub.repos.models import Repository
from hub.revisions import selectors as revisions
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit
from tests.concurrency.races import kinds, race
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db(transaction=True)
RUNNERS = 6


def proposed(actor: Principal, repository: Repository, path: str) -> Discussion:
    blob = revisions.git_of(repository).write_blob(path.encode())
    request = NewCommit(operations=[AddBlob(path=path, blob=blob, size=len(path))], title=f"Add {path}")
    return make.commit_as_pull_request(
        actor=actor, repository=repository, revision="main", request=request, now=NOW
    ).pull_request


class TestNumbers:
    def test_are_given_once_to_discussions_and_pull_requests(self) -> None:
        ada = make.actor("ada")
        repository = make.repository(ada)

        def discuss() -> int:
            return threads.open_discussion(
                actor=ada, repository=repository, title="Hello there", text="", now=NOW
            ).number

        def propose() -> int:
            return services.open_pull_request(
                actor=ada, repository=repository, title="Hello there", text="", now=NOW
            ).number

        numbers = race(*[discuss, propose] * (RUNNERS // 2))
        assert sorted(numbers, key=str) == list(range(1, RUNNERS + 1))


class TestMerging:
    def test_of_several_at_once_loses_none(self) -> None:
        ada = make.actor("ada")
        repository = make.repository(ada)
        names = [f"{number}.txt" for number in range(RUNNERS)]
        found = [proposed(ada, repository, name) for name in names]

        def merge(pull_request: Discussion) -> object:
            return pull_requests.merge(actor=make.actor("ada"), pull_request=pull_request, now=NOW)

        outcomes = race(*[lambda one=one: merge(one) for one in found])
        assert kinds(outcomes) == ["DiscussionEvent"] * RUNNERS
        git = revisions.git_of(repository)
        held = {entry.path for entry in git.entries(ref_rows.main_of(repository))}
        assert set(names) <= held
        repository.refresh_from_db()
        assert repository.head_sha == ref_rows.main_of(repository)

    def test_of_one_by_two_happens_once(self) -> None:
        ada = make.actor("ada")
        repository = make.repository(ada)
        pull_request = proposed(ada, repository, "a.txt")

        def merge() -> DiscussionEvent:
            fresh = Discussion.objects.with_people().get(pk=pull_request.pk)
            return pull_requests.merge(actor=make.actor("ada"), pull_request=fresh, now=NOW)

        outcomes = race(merge, merge)
        assert kinds(outcomes) == ["DiscussionEvent", StatusRefused.__name__]
        pull_request.refresh_from_db()
        assert pull_request.status == Status.MERGED
        assert pull_request.events.filter(data={"status": "merged"}).count() == 1


class TestLikes:
    def test_of_many_at_once_are_all_counted(self) -> None:
        repository = make.repository(make.actor("ada"))
        people = [make.actor(f"fan{number}") for number in range(RUNNERS)]

        def like(actor: Principal) -> bool:
            return likes.like(actor=actor, repository=repository, now=NOW)

        outcomes = race(*[lambda one=one: like(one) for one in people * 2])
        assert sorted(map(str, outcomes)) == ["False"] * RUNNERS + ["True"] * RUNNERS
        repository.refresh_from_db()
        assert repository.likes == RUNNERS
