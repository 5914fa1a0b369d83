from __future__ import annotations

import pytest

from foundation.errors import Invalid
from hub.accounts.principals import Principal
from hub.community import jobs
from hub.community.models import DiscussionEvent, NoticeKind, Notification
from hub.community.selectors import people as selectors
from hub.community.services import discussions as threads
from hub.community.services import people
from hub.repos import services as repos
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


@pytest.fixture
def repository(ada: Principal) -> Repository:
    return make.repository(ada, "thing")


def told() -> dict[str, str]:
    """Everybody who has an unread notification, and why."""
    for event in DiscussionEvent.objects.filter(needs_notice=True).order_by("id"):
        jobs.notify(event_id=event.pk, now=NOW)
    rows = Notification.objects.filter(is_read=False)
    return dict(rows.values_list("user__namespace__name", "reason"))


class TestNotifying:
    def test_tells_owner_watchers_and_mentioned_but_not_the_author(self, repository: Repository) -> None:
        bob, carl = make.actor("bob"), make.actor("carl")
        make.user("dora")
        people.set_watch(actor=carl, target=repository, is_watching=True, now=NOW)
        people.set_watch(actor=bob, target=repository, is_watching=True, now=NOW)
        threads.open_discussion(
            actor=bob, repository=repository, title="Hello there", text="@dora @bob @nobody", now=NOW
        )
        assert told() == {"ada": "owner", "carl": "watch", "dora": "mention"}

    def test_tells_who_watches_the_whole_namespace(self, ada: Principal, repository: Repository) -> None:
        carl = make.actor("carl")
        people.set_watch(actor=carl, target=repository.namespace, is_watching=True, now=NOW)
        threads.open_discussion(actor=ada, repository=repository, title="Hello there", text="", now=NOW)
        assert told() == {"carl": "watch"}
        people.set_watch(actor=carl, target=repository.namespace, is_watching=False, now=NOW)
        assert not selectors.is_watching(actor=carl, target=repository.namespace)

    def test_tells_those_who_took_part(self, ada: Principal, repository: Repository) -> None:
        bob = make.actor("bob")
        found = threads.open_discussion(
            actor=bob, repository=repository, title="Hello there", text="", now=NOW
        )
        told()
        threads.comment(actor=ada, discussion=found, text="Hi", now=NOW)
        assert told()["bob"] == "participation"

    def test_brings_back_as_unread_what_was_read(self, ada: Principal, repository: Repository) -> None:
        bob = make.actor("bob")
        found = threads.open_discussion(
            actor=bob, repository=repository, title="Hello there", text="", now=NOW
        )
        assert told() == {"ada": "owner"}
        assert people.mark_notifications(actor=ada, ids=None, is_read=True) == 1
        assert told() == {}
        threads.comment(actor=bob, discussion=found, text="@ada?", now=NOW)
        assert told() == {"ada": "mention"}
        assert Notification.objects.count() == 1

    def test_happens_once_and_after_a_lost_task(self, ada: Principal, repository: Repository) -> None:
        make.user("bob")
        threads.open_discussion(actor=ada, repository=repository, title="Hello there", text="@bob", now=NOW)
        (event_id,) = jobs.untold_events(now=NOW + 2 * jobs.SWEEP_AGE)
        assert jobs.notify(event_id=event_id, now=NOW) == 1
        assert jobs.notify(event_id=event_id, now=NOW) == 0
        assert jobs.untold_events(now=NOW + 2 * jobs.SWEEP_AGE) == []

    def test_keeps_private_repositories_from_the_mentioned_and_from_past_watchers(
        self, ada: Principal, repository: Repository
    ) -> None:
        bob = make.actor("bob")
        people.set_watch(actor=bob, target=repository, is_watching=True, now=NOW)
        threads.open_discussion(actor=ada, repository=repository, title="Hello there", text="", now=NOW)
        assert told() == {"bob": "watch"}
        private = repos.Settings(visibility="private")
        repository = repos.change_settings(actor=ada, repository=repository, change=private)
        assert not selectors.notifications_of(actor=bob)
        assert selectors.unread_count(bob) == 0
        Notification.objects.all().delete()
        threads.open_discussion(actor=ada, repository=repository, title="A secret", text="@bob", now=NOW)
        assert told() == {}


class TestSwitches:
    def mute(self, who: Principal, *kinds: str) -> None:
        wanted = set(NoticeKind.values) - set(kinds)
        people.change_notice_settings(actor=who, wanted=wanted, digest="never")

    def test_mute_discussions_but_not_mentions(self, ada: Principal, repository: Repository) -> None:
        bob, carl, dora = make.actor("bob"), make.actor("carl"), make.actor("dora")
        for who in (carl, dora):
            people.set_watch(actor=who, target=repository, is_watching=True, now=NOW)
        self.mute(carl, "discussion")
        self.mute(dora, "discussion")
        self.mute(ada, "mention")
        threads.open_discussion(
            actor=bob, repository=repository, title="Hello there", text="@dora and @ada", now=NOW
        )
        # The owner muted mentions alone, and hears of the discussion as its owner.
        assert told() == {"ada": "owner", "dora": "mention"}

    def test_refuse_a_kind_that_does_not_exist(self, ada: Principal) -> None:
        with pytest.raises(Invalid):
            people.change_notice_settings(actor=ada, wanted=["weather"], digest="never")
        with pytest.raises(Invalid):
            people.change_notice_settings(actor=ada, wanted=[], digest="often")
