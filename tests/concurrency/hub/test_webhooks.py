"""A webhook that is deleted while deliveries are added to it, called and recorded."""

from __future__ import annotations

from functools import partial
from threading import Event

import pytest
from django.db import transaction

from hub.community import jobs, receivers
from hub.community.models import Delivery, Webhook
from hub.community.services import discussions
from hub.community.services import webhooks as services
from hub.community.services.webhooks import WebhookChange
from tests.concurrency.races import kinds, race
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


class TestDeletion:
    def test_meets_writers_and_callers_without_an_error(self) -> None:
        """Without the lock on the webhook PostgreSQL answers with deadlocks and broken foreign keys."""
        ada = make.actor("ada")
        repository = make.repository(ada)

        def discuss() -> object:
            return discussions.open_discussion(
                actor=ada, repository=repository, title="Hello there", text="", now=NOW
            )

        for _ in range(ROUNDS):
            # Nothing listens on port 9 of this machine, so each call fails at once and is recorded.
            webhook = services.create_webhook(
                actor=ada,
                request=WebhookChange(url="http://127.0.0.1:9/", watched=[("user", "ada")]),
                now=NOW,
            )
            discuss()
            waiting = list(Delivery.objects.values_list("pk", flat=True))
            outcomes = race(
                *[partial(jobs.deliver, delivery_id=one, now=NOW) for one in waiting],
                discuss,
                partial(services.delete_webhook, actor=ada, webhook=webhook),
                discuss,
            )
            assert kinds(outcomes) == ["Discussion", "Discussion", "NoneType", *["bool"] * len(waiting)]
        assert (Webhook.objects.count(), Delivery.objects.count()) == (0, 0)


class TestOrder:
    @pytest.mark.postgres
    def test_of_discussions_and_webhooks_does_not_matter(self) -> None:
        """A comment holds its discussion before webhooks hear of it; a push tells webhooks of a branch first.

        With a lock on the webhook that only one may have, PostgreSQL ends one of the two.
        """
        ada = make.actor("ada")
        repository = make.repository(ada)
        thread = discussions.open_discussion(
            actor=ada, repository=repository, title="Hello there", text="", now=NOW
        )
        services.create_webhook(
            actor=ada, request=WebhookChange(url="http://127.0.0.1:9/", watched=[("user", "ada")]), now=NOW
        )
        has_discussion, has_webhook = Event(), Event()

        def comment() -> None:
            with transaction.atomic():
                discussions.lock_discussion(thread)
                has_discussion.set()
                assert has_webhook.wait(60)
                receivers.tell_changed(repository=repository)

        def push() -> None:
            with transaction.atomic():
                receivers.tell_changed(repository=repository)
                has_webhook.set()
                assert has_discussion.wait(60)
                discussions.lock_discussion(thread)

        assert kinds(race(comment, push)) == ["NoneType", "NoneType"]
        assert Delivery.objects.count() == 2
