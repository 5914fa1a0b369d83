from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from foundation.errors import Denied, Invalid
from foundation.redis_connection import connection, key
from hub.accounts import services as accounts
from hub.accounts.models import Role
from hub.accounts.principals import SYSTEM, Principal
from hub.community import jobs, turns
from hub.community.errors import AddressForbidden, WebhookNotFound
from hub.community.models import Delivery, Webhook
from hub.community.selectors import webhooks as selectors
from hub.community.services import discussions as threads
from hub.community.services import webhooks as services
from hub.community.services.webhooks import WebhookChange
from hub.repos import services as repos
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.servers.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


def hook(
    actor: Principal,
    url: str = "http://127.0.0.1:9/",
    *,
    watched: tuple[str, str] = ("user", "ada"),
    **more: object,
) -> Webhook:
    request = WebhookChange(url=url, watched=[watched], **more)
    return services.create_webhook(actor=actor, request=request, now=NOW)


def told(webhook: Webhook) -> list[tuple[str, str]]:
    payloads = webhook.deliveries.order_by("id").values_list("payload", flat=True)
    return [(payload["event"]["action"], payload["event"]["scope"]) for payload in payloads]


def only_delivery() -> Delivery:
    return Delivery.objects.select_related("webhook").get()


class TestCreating:
    @pytest.mark.parametrize(
        "request_",
        [
            WebhookChange(url="http://example.org/", watched=[]),
            WebhookChange(watched=[("user", "ada")]),
            WebhookChange(url="ftp://example.org/", watched=[("user", "ada")]),
            WebhookChange(url="http://example.org/" + "x" * 1000, watched=[("user", "ada")]),
            WebhookChange(url="http://example.org/", watched=[("bucket", "ada/bucket")]),
            WebhookChange(url="http://example.org/", watched=[("model", "no-namespace")]),
            WebhookChange(url="http://example.org/", watched=[("user", "ada/thing")]),
            WebhookChange(url="http://example.org/", watched=[("user", "ada")], domains=["weather"]),
            WebhookChange(url="http://example.org/", watched=[("user", "ada")], secret="line\r\nX-Evil: 1"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, ada: Principal, request_: WebhookChange) -> None:
        with pytest.raises(Invalid):
            services.create_webhook(actor=ada, request=request_, now=NOW)
        assert not Webhook.objects.exists()

    def test_refuses_inner_addresses_unless_the_operator_allows_them(
        self, ada: Principal, settings: Settings
    ) -> None:
        hook(ada, "http://127.0.0.1:8000/")
        settings.WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = False
        with pytest.raises(AddressForbidden):
            hook(ada, "http://127.0.0.1:8000/")

    def test_is_not_for_tokens_that_are_fine_grained(self, ada: Principal) -> None:
        assert ada.user is not None
        token, _ = accounts.create_token(
            actor=ada,
            name="ci",
            scopes=["write"],
            grants=[accounts.Grant(ada.user.namespace_id, can_write=True)],
        )
        with pytest.raises(Denied):
            hook(Principal(user=ada.user, token=token))

    def test_belongs_to_its_owner_alone(self, ada: Principal) -> None:
        made = hook(ada)
        with pytest.raises(WebhookNotFound):
            selectors.get_webhook(actor=make.actor("bob"), key=made.key)


class TestTelling:
    def test_covers_the_life_of_a_repository(self, ada: Principal) -> None:
        webhook = hook(ada)
        repository = make.repository(ada, "thing")
        change = repos.Settings(visibility="private")
        repository = repos.change_settings(actor=ada, repository=repository, change=change)
        repository = repos.move_repository(actor=ada, repository=repository, to="ada/other")
        repos.delete_repository(actor=ada, repository=repository, now=NOW)
        assert told(webhook) == [
            ("create", "repo"),
            ("update", "repo.config"),
            ("move", "repo"),
            ("delete", "repo"),
        ]

    def test_follows_names_in_any_case_and_before_a_move(self, ada: Principal) -> None:
        repository = make.repository(ada, "thing")
        webhook = hook(ada, watched=("model", "ADA/Thing"))
        repository = repos.move_repository(actor=ada, repository=repository, to="ada/other")
        repos.move_repository(actor=ada, repository=repository, to="ada/third")
        assert told(webhook) == [("move", "repo")]

    def test_is_only_of_the_domains_asked_for(self, ada: Principal) -> None:
        webhook = hook(ada, domains=["discussion"])
        repository = make.repository(ada, "thing")
        threads.open_discussion(actor=ada, repository=repository, title="Hello there", text="", now=NOW)
        assert told(webhook) == [("create", "discussion")]

    def test_keeps_private_repositories_from_strangers(self, ada: Principal) -> None:
        webhook = hook(make.actor("bob"))
        make.repository(ada, visibility="private")
        assert told(webhook) == []
        make.repository(ada)
        assert told(webhook) == [("create", "repo")]

    def test_reaches_members_about_private_repositories(self, ada: Principal) -> None:
        assert ada.user is not None
        make.organization("acme", {ada.user: Role.READ})
        webhook = hook(Principal(user=ada.user), watched=("org", "acme"))
        make.repository(SYSTEM, "secret", namespace="acme", visibility="private")
        assert told(webhook) == [("create", "repo")]

    def test_stops_when_disabled(self, ada: Principal) -> None:
        webhook = hook(ada)
        services.set_enabled(actor=ada, webhook=webhook, is_enabled=False, now=NOW)
        make.repository(ada)
        assert told(webhook) == []


class TestDelivering:
    def test_calls_once_and_logs_the_answer(self, ada: Principal, receiver: Receiver) -> None:
        hook(ada, receiver.url, secret="s3cret")
        make.repository(ada, "thing")
        delivery = only_delivery()
        now = delivery.due_at
        assert jobs.deliver(delivery_id=delivery.pk, now=now)
        assert not jobs.deliver(delivery_id=delivery.pk, now=now)
        call = receiver.next()
        assert receiver.calls.empty()
        assert call.body["repo"]["name"] == "ada/thing"
        assert call.headers["X-Webhook-Secret"] == "s3cret"
        signature = jobs.sign("s3cret", call.headers["X-Webhook-Timestamp"], call.raw)
        assert call.headers["X-Webhook-Signature"] == f"sha256={signature}"
        delivery.refresh_from_db()
        assert (delivery.status, delivery.response_status, delivery.response_text) == (
            Delivery.Status.DELIVERED,
            200,
            "thanks",
        )

    def test_sends_no_signature_without_a_secret(self, ada: Principal, receiver: Receiver) -> None:
        hook(ada, receiver.url)
        make.repository(ada)
        delivery = only_delivery()
        jobs.deliver(delivery_id=delivery.pk, now=delivery.due_at)
        assert not {"X-Webhook-Secret", "X-Webhook-Signature"} & set(receiver.next().headers)

    def test_comes_back_later_and_later_and_then_gives_up(self, ada: Principal, receiver: Receiver) -> None:
        hook(ada, receiver.url)
        make.repository(ada)
        receiver.answers = [500] * 20
        delivery = only_delivery()
        waits = []
        while delivery.status == Delivery.Status.WAITING:
            now = delivery.due_at
            assert jobs.is_delivery_due(now=now)
            assert not jobs.is_delivery_due(now=now - timedelta(seconds=1))
            jobs.deliver(delivery_id=delivery.pk, now=now)
            delivery.refresh_from_db()
            waits.append(delivery.due_at - now)
        assert waits[:-1] == list(jobs.BACK_OFF)
        assert (delivery.status, delivery.attempts, delivery.error) == (
            Delivery.Status.FAILED,
            len(jobs.BACK_OFF) + 1,
            "answered 500",
        )

    def test_is_left_to_the_worker_that_took_it(self, ada: Principal, receiver: Receiver) -> None:
        hook(ada, receiver.url)
        make.repository(ada)
        delivery = only_delivery()
        now = delivery.due_at
        taken = jobs._claim(delivery.pk, now)
        assert taken is not None
        assert not jobs.deliver(delivery_id=delivery.pk, now=now)
        assert receiver.calls.empty()
        # That worker died; the next one takes the row when the claim has run out, and a late answer is void.
        later = now + jobs.CLAIM
        assert jobs.deliver(delivery_id=delivery.pk, now=later)
        assert not jobs._record(taken, answer=None, error="late", now=later)
        delivery.refresh_from_db()
        assert delivery.status == Delivery.Status.DELIVERED

    def test_never_reaches_inner_addresses_that_are_not_allowed(
        self, ada: Principal, receiver: Receiver, settings: Settings
    ) -> None:
        hook(ada, receiver.url)
        make.repository(ada)
        settings.WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = False
        delivery = only_delivery()
        assert not jobs.deliver(delivery_id=delivery.pk, now=delivery.due_at)
        delivery.refresh_from_db()
        assert "not a public address" in delivery.error
        assert receiver.calls.empty()

    def test_disables_a_webhook_that_only_fails_for_three_days(
        self, ada: Principal, receiver: Receiver
    ) -> None:
        webhook = hook(ada, receiver.url)
        receiver.answers = [500, 200, 500, 500]
        now = NOW
        for days, failing, disabled in [
            (0, True, False),
            (2, False, False),
            (4, True, False),
            (8, True, True),
        ]:
            now = NOW + timedelta(days=days)
            delivery = Delivery.objects.create(webhook=webhook, payload={}, due_at=now)
            jobs.deliver(delivery_id=delivery.pk, now=now)
            webhook.refresh_from_db()
            assert (webhook.failing_since is not None, webhook.is_disabled) == (failing, disabled)
        assert webhook.disabled_reason
        waiting = Delivery.objects.create(webhook=webhook, payload={}, due_at=now)
        assert not jobs.deliver(delivery_id=waiting.pk, now=now)
        waiting.refresh_from_db()
        assert waiting.status == Delivery.Status.FAILED
        enabled = services.set_enabled(actor=ada, webhook=webhook, is_enabled=True, now=now)
        assert (enabled.is_disabled, enabled.failing_since, enabled.disabled_reason) == (False, None, "")

    def test_can_be_repeated_from_the_log(self, ada: Principal, receiver: Receiver) -> None:
        webhook = hook(ada, receiver.url)
        make.repository(ada)
        first = only_delivery()
        again = services.redeliver(actor=ada, webhook=webhook, key=first.key, now=NOW)
        assert (again.payload, again.pk != first.pk) == (first.payload, True)

    def test_log_is_kept_for_thirty_days(self, ada: Principal, receiver: Receiver) -> None:
        hook(ada, receiver.url)
        make.repository(ada)
        delivery = only_delivery()
        jobs.deliver(delivery_id=delivery.pk, now=delivery.due_at)
        assert jobs.prune_deliveries(now=delivery.due_at + timedelta(days=29)) == 0
        assert jobs.prune_deliveries(now=delivery.due_at + timedelta(days=31)) == 1


class TestTurns:
    """A call waits for a stranger's server. That costs neither other work nor other people's webhooks."""

    @pytest.fixture(autouse=True)
    def _nobody_was_called(self) -> None:
        connection().delete(key("webhook-turns"))

    def queue(self, webhook: Webhook, count: int, *, before: datetime) -> None:
        """So many deliveries, the last of them due a minute before that moment."""
        for number in range(count):
            due_at = before - timedelta(minutes=count - number)
            Delivery.objects.create(webhook=webhook, payload={"owner": webhook.owner.name}, due_at=due_at)

    def called(self, receiver: Receiver) -> list[str]:
        return [receiver.next().body["owner"] for _ in range(receiver.calls.qsize())]

    def test_owners_are_called_in_turns_in_any_order_of_events(
        self, ada: Principal, receiver: Receiver
    ) -> None:
        bob = make.actor("bob")
        self.queue(hook(bob, receiver.url), 4, before=NOW - timedelta(hours=1))
        self.queue(hook(ada, receiver.url), 2, before=NOW)
        moments = (NOW + timedelta(milliseconds=number) for number in itertools.count())
        assert not jobs.deliver_due(clock=lambda: next(moments))
        assert self.called(receiver) in (
            ["bob", "ada", "bob", "ada", "bob", "bob"],
            ["ada", "bob", "ada", "bob", "bob", "bob"],
        )

    def test_turns_go_on_where_the_last_worker_ended(self, ada: Principal, receiver: Receiver) -> None:
        owners = [make.actor("bob"), make.actor("eve"), ada]
        for owner in owners:
            self.queue(hook(owner, receiver.url), 3, before=NOW)
        later = NOW + timedelta(minutes=1)
        # Each worker makes one call: it asks for the time before it, and then its turn is over.
        moments = itertools.chain.from_iterable(
            (NOW, NOW + timedelta(seconds=turn), later, later) for turn in range(3)
        )
        for _ in owners:
            assert jobs.deliver_due(clock=lambda: next(moments))
        assert sorted(self.called(receiver)) == ["ada", "bob", "eve"]

    def test_a_worker_stops_after_a_while_for_other_tasks(self, ada: Principal, receiver: Receiver) -> None:
        self.queue(hook(ada, receiver.url), 5, before=NOW)
        moments = (NOW + number * jobs.TURN / 2 for number in itertools.count())
        assert jobs.deliver_due(clock=lambda: next(moments))
        assert self.called(receiver) == ["ada"]
        assert not jobs.deliver_due(clock=lambda: NOW)
        assert self.called(receiver) == ["ada"] * 4

    def test_no_more_workers_call_at_one_time_than_may(
        self, ada: Principal, receiver: Receiver, settings: Settings
    ) -> None:
        self.queue(hook(ada, receiver.url), 1, before=NOW)
        settings.WEBHOOK_CALLS_AT_ONCE = 2
        with turns.slot(2) as first, turns.slot(2) as second, turns.slot(2) as third:
            assert (first, second, third) == (True, True, False)
            assert not jobs.deliver_due(clock=lambda: NOW)
            assert receiver.calls.empty()
        assert not jobs.deliver_due(clock=lambda: NOW)
        assert self.called(receiver) == ["ada"]

    def test_a_dead_workers_slot_becomes_free(self) -> None:
        with turns.slot(1):
            assert 0 < connection().ttl(key("webhook-slot", 0)) <= turns.SLOT_SECONDS

    def test_one_task_is_enqueued_however_many_deliveries_there_are(
        self, ada: Principal, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        for _ in range(3):
            hook(ada)
        with django_capture_on_commit_callbacks() as hooks:
            make.repository(ada)
        assert Delivery.objects.count() == 3
        assert len([found for found in hooks if "deliver_due" in repr(found)]) == 1
