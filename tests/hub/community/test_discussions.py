from __future__ import annotations

import pytest

from foundation.errors import Invalid, Unauthenticated
from hub.accounts.models import Role
from hub.accounts.principals import SYSTEM, Principal
from hub.community.errors import (
    CommentHidden,
    CommentNotFound,
    DiscussionDenied,
    DiscussionNotFound,
    DiscussionsDisabled,
    StatusRefused,
)
from hub.community.models import Discussion, EventType, Status
from hub.community.selectors import discussions as selectors
from hub.community.services import discussions as services
from hub.repos import services as repos
from hub.repos.errors import RepositoryArchived, RepositoryDenied, RepositoryGated, RepositoryNotFound
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Principal:
    """The owner."""
    return make.actor("ada")


@pytest.fixture
def bob() -> Principal:
    """A reader."""
    return make.actor("bob")


@pytest.fixture
def repository(ada: Principal) -> Repository:
    return make.repository(ada, "thing")


def opened(
    actor: Principal, repository: Repository, title: str = "A question", text: str = "?"
) -> Discussion:
    return services.open_discussion(actor=actor, repository=repository, title=title, text=text, now=NOW)


class TestOpening:
    def test_numbers_each_repository_from_one(self, ada: Principal, bob: Principal) -> None:
        one, other = make.repository(ada), make.repository(ada)
        assert [opened(bob, one).number, opened(ada, one).number, opened(bob, other).number] == [1, 2, 1]

    def test_begins_with_a_comment_that_holds_the_text(self, bob: Principal, repository: Repository) -> None:
        found = opened(bob, repository, text="How large is it?")
        (event,) = selectors.list_events(actor=SYSTEM, discussion=found)
        assert (event.type, event.text, event.author) == (EventType.COMMENT, "How large is it?", bob.user)
        assert len(event.key) == 24
        assert event.key == event.key.lower()

    @pytest.mark.parametrize("title", ["", "ab", "   a   ", "x" * 201])
    def test_needs_a_title_of_a_sane_length(self, bob: Principal, repository: Repository, title: str) -> None:
        with pytest.raises(Invalid):
            opened(bob, repository, title=title)

    def test_is_refused_without_the_right(self, ada: Principal, bob: Principal) -> None:
        private = make.repository(ada, visibility="private")
        gated = make.repository(ada, gating="manual")
        archived = repos.change_settings(
            actor=ada, repository=make.repository(ada), change=repos.Settings(is_archived=True)
        )
        closed = repos.change_settings(
            actor=ada, repository=make.repository(ada), change=repos.Settings(discussions_disabled=True)
        )
        for repository, refusal in [
            (private, RepositoryNotFound),
            (gated, RepositoryGated),
            (archived, RepositoryArchived),
            (closed, DiscussionsDisabled),
        ]:
            with pytest.raises(refusal):
                opened(bob, repository)
        with pytest.raises(Unauthenticated):
            opened(Principal(), make.repository(ada))

    def test_needs_a_token_that_writes(self, repository: Repository) -> None:
        carl = make.user("carl")
        token = make.token(carl, "read")
        from hub.accounts import selectors as accounts

        with pytest.raises(RepositoryDenied):
            opened(accounts.principal_for_token(token, now=NOW), repository)


class TestComments:
    def test_keep_what_they_said_before(self, bob: Principal, repository: Repository) -> None:
        found = opened(bob, repository)
        event = services.comment(actor=bob, discussion=found, text="frist", now=NOW)
        for text in ("fisrt", "first"):
            services.edit_comment(actor=bob, discussion=found, key=event.key.upper(), text=text, now=NOW)
        latest = selectors.list_events(actor=SYSTEM, discussion=found)[-1]
        assert latest.text == "first"
        assert [past.text for past in latest.past_texts.all()] == ["frist", "fisrt"]

    def test_are_edited_by_their_author_alone(
        self, ada: Principal, bob: Principal, repository: Repository
    ) -> None:
        found = opened(ada, repository)
        event = services.comment(actor=bob, discussion=found, text="mine", now=NOW)
        with pytest.raises(DiscussionDenied):
            services.edit_comment(actor=ada, discussion=found, key=event.key, text="yours", now=NOW)

    def test_are_hidden_for_good_with_all_they_ever_said(
        self, ada: Principal, bob: Principal, repository: Repository
    ) -> None:
        found = opened(bob, repository)
        event = services.comment(actor=bob, discussion=found, text="rude", now=NOW)
        services.edit_comment(actor=bob, discussion=found, key=event.key, text="ruder", now=NOW)
        with pytest.raises(DiscussionDenied):
            services.hide_comment(actor=make.actor("carl"), discussion=found, key=event.key, now=NOW)
        services.hide_comment(actor=ada, discussion=found, key=event.key, now=NOW)
        hidden = selectors.list_events(actor=SYSTEM, discussion=found)[-1]
        assert (hidden.is_hidden, hidden.text, list(hidden.past_texts.all())) == (True, "", [])
        with pytest.raises(CommentHidden):
            services.hide_comment(actor=bob, discussion=found, key=event.key, now=NOW)
        with pytest.raises(CommentHidden):
            services.edit_comment(actor=bob, discussion=found, key=event.key, text="back", now=NOW)

    def test_of_another_discussion_are_not_found(self, bob: Principal, repository: Repository) -> None:
        one, other = opened(bob, repository), opened(bob, repository)
        event = services.comment(actor=bob, discussion=one, text="here", now=NOW)
        with pytest.raises(CommentNotFound):
            services.edit_comment(actor=bob, discussion=other, key=event.key, text="there", now=NOW)

    @pytest.mark.parametrize("text", ["", "  \n", "x" * 65_537, "a\0b"])
    def test_need_some_text_but_not_too_much(self, bob: Principal, repository: Repository, text: str) -> None:
        found = opened(bob, repository)
        with pytest.raises(Invalid):
            services.comment(actor=bob, discussion=found, text=text, now=NOW)


class TestStatusAndTitle:
    def test_are_changed_by_the_author_and_by_writers(
        self, ada: Principal, bob: Principal, repository: Repository
    ) -> None:
        found = opened(bob, repository)
        services.change_status(actor=bob, discussion=found, status="closed", text="Thanks", now=NOW)
        services.change_status(actor=ada, discussion=found, status="open", now=NOW)
        event = services.rename(actor=ada, discussion=found, title="An answer", now=NOW)
        assert event.data == {"from": "A question", "to": "An answer"}
        carl = make.actor("carl")
        with pytest.raises(DiscussionDenied):
            services.change_status(actor=carl, discussion=found, status="closed", now=NOW)
        with pytest.raises(DiscussionDenied):
            services.rename(actor=carl, discussion=found, title="Mine now", now=NOW)

    def test_follow_the_table_of_states(self, bob: Principal, repository: Repository) -> None:
        found = opened(bob, repository)
        with pytest.raises(StatusRefused):
            services.change_status(actor=bob, discussion=found, status="open", now=NOW)
        with pytest.raises(Invalid):
            services.change_status(actor=bob, discussion=found, status="merged", now=NOW)

    def test_of_a_collaborator_who_writes(
        self, bob: Principal, ada: Principal, repository: Repository
    ) -> None:
        found = opened(bob, repository)
        carl = make.actor("carl")
        assert carl.user is not None
        repos.set_collaborator(actor=ada, repository=repository, user=carl.user, role=Role.WRITE)
        services.change_status(actor=carl, discussion=found, status="closed", now=NOW)
        found.refresh_from_db()
        assert found.status == Status.CLOSED


class TestLists:
    def test_are_of_one_repository(self, bob: Principal, repository: Repository) -> None:
        opened(bob, repository)
        other = make.repository(make.actor("carl"))
        assert not selectors.list_discussions(actor=SYSTEM, repository=other)
        with pytest.raises(DiscussionNotFound):
            selectors.get_discussion(actor=SYSTEM, repository=other, number=1)

    def test_cost_the_same_however_long(
        self, bob: Principal, repository: Repository, django_assert_num_queries: pytest.FixtureRequest
    ) -> None:
        found = opened(bob, repository)
        for number in range(5):
            services.comment(actor=bob, discussion=found, text=str(number), now=NOW)
        with django_assert_num_queries(2):  # type: ignore[operator]
            for event in selectors.list_events(actor=SYSTEM, discussion=found):
                assert event.author is not None
                assert event.author.name
                assert list(event.past_texts.all()) == []
