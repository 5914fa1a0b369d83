"""Use cases that run later: notify people, call webhooks. Safe to run twice, and they may be lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from foundation.errors import Refusal
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community import digests, notices, turns, webhook_calls
from hub.community.models import Delivery, DiscussionEvent, Notice, NoticeSettings, Notification, Webhook
from hub.community.models.keys import new_key
from hub.community.models.webhooks import DeliveryQuerySet
from hub.community.selectors import discussions
from hub.community.webhook_calls import Answer, CallFailed

log = logging.getLogger(__name__)

# Seconds before the next attempt, after each failed one: 8 attempts over some 16 hours.
BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 3_600, 4 * 3_600, 10 * 3_600))
# Longer than any call can take; see `Delivery.due_at`.
CLAIM = timedelta(minutes=2)
FAILING_MAX = timedelta(days=3)
LOG_KEPT = timedelta(days=30)
NOTICES_KEPT = timedelta(days=90)
SWEEP_AGE = timedelta(seconds=30)
SWEEP_MAX = 500
# Seconds for which a worker makes deliveries before it takes other tasks.
TURN = timedelta(seconds=10)
OWNERS_MAX = 1_000
# Errors of one mail rather than of the server: its address or its content is refused, or cannot be encoded.
REFUSED = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, ValueError)
RESTING_REASON = "The address has not answered for three days."


def notify(*, event_id: int, now: datetime) -> int:
    """Notify people of an event in a discussion, once. Returns the number of notifications."""
    with transaction.atomic(durable=True):
        taken = DiscussionEvent.objects.filter(pk=event_id, needs_notice=True).update(needs_notice=False)
        event = discussions.get_event(event_id) if taken else None
        return notices.notify(event=event, now=now) if event is not None else 0


def untold_events(*, now: datetime) -> list[int]:
    """Events whose task was lost."""
    late = DiscussionEvent.objects.filter(needs_notice=True, created_at__lt=now - SWEEP_AGE)
    return list(late.order_by("id").values_list("pk", flat=True)[:SWEEP_MAX])


def prune_notices(*, now: datetime) -> int:
    """Delete notices that are older than 90 days; returns how many."""
    return Notice.objects.filter(created_at__lt=now - NOTICES_KEPT).delete()[0]


def mail_digests(*, now: datetime) -> int:
    """Send the mails that are due; returns how many. Without a mail server nothing is due.

    A mail that the server refuses, or that cannot be encoded, is tried again a period later, so that it never
    stands before the others; a server that is away is asked again by the next run.
    """
    return sum(_mail_digest(user_id, now) for user_id in digests.due(now=now)) if settings.EMAIL_HOST else 0


def _mail_digest(user_id: int, now: datetime) -> bool:
    """Send one user's mail: claim the row, send with no transaction open, then note what the mail told.

    A process that ends between claim and note leaves the notifications as they were: the next mail, a period
    later, tells them. So there is never more than one mail a period, and none of them is lost.
    """
    with transaction.atomic(durable=True):
        row = NoticeSettings.objects.select_for_update().filter(pk=user_id).first()
        if row is None or user_id not in digests.due(now=now, user_id=user_id):
            return False
        before, row.tried_at = row.tried_at, now
        row.save(update_fields=["tried_at"])
    actor = Principal(user=User.objects.select_related("namespace").get(pk=user_id))
    digest = digests.digest_of(actor)
    if digest is None:
        return False
    try:
        digests.mail_of(actor, digest).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # The text of the error would put the address into the log.
        log.warning("digest_mail_failed user=%d error=%s", user_id, type(error).__name__)
        if not isinstance(error, REFUSED):
            NoticeSettings.objects.filter(pk=user_id, tried_at=now).update(tried_at=before)
        return False
    Notice.objects.filter(pk__in=[row.pk for row in digest.notices]).update(is_mailed=True)
    for told in digest.notifications:
        # One that tells of a newer event by now was not in the mail.
        Notification.objects.filter(pk=told.pk, event=told.event_id).update(is_mailed=True)
    return True


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker, and no other, carries out now."""

    delivery: Delivery
    claim: str


def deliver(*, delivery_id: int, now: datetime) -> bool:
    """Call one webhook, if its time has come. True: it answered with success.

    Three moves: take the row under a short lock; call with no transaction open; write what came of it
    only if the row is still ours.
    """
    claimed = _claim(delivery_id, now)
    if claimed is None:
        return False
    answer, error = _call(claimed.delivery, now)
    return _record(claimed, answer=answer, error=error, now=now)


def _claim(delivery_id: int, now: datetime) -> Claimed | None:
    with transaction.atomic(durable=True):
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("webhook__owner")
            .filter(pk=delivery_id, status=Delivery.Status.WAITING, due_at__lte=now)
            .first()
        )
        if delivery is None:
            return None
        if delivery.webhook.is_disabled or not delivery.webhook.owner.is_active:
            delivery.status, delivery.error, delivery.finished_at = (
                Delivery.Status.FAILED,
                "The webhook was disabled.",
                now,
            )
            delivery.save(update_fields=["status", "error", "finished_at"])
            return None
        delivery.claim, delivery.due_at = new_key(), now + CLAIM
        delivery.attempts += 1
        delivery.save(update_fields=["claim", "due_at", "attempts"])
    return Claimed(delivery, delivery.claim)


def _call(delivery: Delivery, now: datetime) -> tuple[Answer | None, str]:
    """The webhook's response, or None and the reason."""
    webhook = delivery.webhook
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        answer = webhook_calls.post(
            webhook.url,
            body=body,
            headers=headers_of(webhook, delivery, body, now),
            may_be_private=settings.WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES,
        )
    except (CallFailed, Refusal) as error:
        return None, str(error)[:300]
    return answer, "" if answer.is_success else f"answered {answer.status}"


def headers_of(webhook: Webhook, delivery: Delivery, body: bytes, now: datetime) -> dict[str, str]:
    """The secret itself, as the Hugging Face wire has it, and a signature that does not give it away.

    The signature is HMAC-SHA256 over `timestamp.body` under the secret: a receiver that checks both can
    tell a forged call and a replayed one.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "model-bazaar-webhook/1",
        "X-Webhook-Id": webhook.key,
        "X-Webhook-Delivery": delivery.key,
        "Connection": "close",
    }
    if webhook.secret:
        timestamp = str(int(now.timestamp()))
        headers["X-Webhook-Secret"] = webhook.secret
        headers["X-Webhook-Timestamp"] = timestamp
        headers["X-Webhook-Signature"] = "sha256=" + sign(webhook.secret, timestamp, body)
    return headers


def sign(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _record(claimed: Claimed, *, answer: Answer | None, error: str, now: datetime) -> bool:
    with transaction.atomic(durable=True):
        webhook = Webhook.objects.select_for_update().filter(pk=claimed.delivery.webhook_id).first()
        if webhook is None:
            # Deleted while it was called.
            return False
        delivery = (
            Delivery.objects.select_for_update()
            .filter(pk=claimed.delivery.pk, claim=claimed.claim, status=Delivery.Status.WAITING)
            .first()
        )
        if delivery is None:
            return False
        delivery.claim, delivery.error = "", error
        delivery.response_status = answer.status if answer else None
        delivery.response_text = answer.text if answer else ""
        delivery.duration_ms = answer.duration_ms if answer else None
        if not error:
            delivery.status, delivery.finished_at = Delivery.Status.DELIVERED, now
        elif delivery.attempts > len(BACK_OFF):
            delivery.status, delivery.finished_at = Delivery.Status.FAILED, now
        else:
            delivery.due_at = now + BACK_OFF[delivery.attempts - 1]
        delivery.save()
        _judge(webhook, is_failing=bool(error), now=now)
    return not error


def _judge(webhook: Webhook, *, is_failing: bool, now: datetime) -> None:
    """Step: a webhook that has only failed for three days is disabled; one success forgives all."""
    if not is_failing:
        if webhook.failing_since is not None:
            webhook.failing_since = None
            webhook.save(update_fields=["failing_since"])
        return
    webhook.failing_since = webhook.failing_since or now
    if now - webhook.failing_since > FAILING_MAX:
        webhook.is_disabled, webhook.disabled_reason = True, RESTING_REASON
    webhook.save(update_fields=["failing_since", "is_disabled", "disabled_reason"])


def deliver_due(*, clock: Callable[[], datetime]) -> bool:
    """Call the webhooks whose time has come, for one turn. True: more are due.

    A call waits for a stranger's server, up to a quarter of a minute, and its worker does nothing else
    meanwhile. So WEBHOOK_CALLS_AT_ONCE workers at most make calls, and their owners have turns: one with slow
    receivers holds up neither the other work nor, by more than a call, the webhooks of others.
    """
    with turns.slot(settings.WEBHOOK_CALLS_AT_ONCE) as is_free:
        if not is_free:
            return False
        ends_at = clock() + TURN
        while (now := clock()) < ends_at and (delivery_id := _next_delivery(now)) is not None:
            deliver(delivery_id=delivery_id, now=now)
    # Checked after the slot is released: a worker that found it taken has left its deliveries to this one.
    return is_delivery_due(now=clock())


def _next_delivery(now: datetime) -> int | None:
    due = _due_deliveries(now)
    owners = list(
        due.values_list("webhook__owner_id", flat=True).order_by("webhook__owner_id").distinct()[:OWNERS_MAX]
    )
    if not owners:
        return None
    owner = turns.next_of(owners, now=now)
    return due.filter(webhook__owner_id=owner).order_by("due_at").values_list("pk", flat=True).first()


def is_delivery_due(*, now: datetime) -> bool:
    """True if a delivery is due: it is new, or its back-off is over."""
    return _due_deliveries(now).exists()


def _due_deliveries(now: datetime) -> DeliveryQuerySet:
    return Delivery.objects.waiting().filter(due_at__lte=now)


def prune_deliveries(*, now: datetime) -> int:
    """Drop what the log keeps no longer; returns how many."""
    old = Delivery.objects.exclude(status=Delivery.Status.WAITING).filter(finished_at__lt=now - LOG_KEPT)
    return old.delete()[0]
