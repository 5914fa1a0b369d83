"""The Celery tasks of notifications and webhooks. Sweeps find what a lost task left."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hub.community import jobs


def enqueue(task: Task[Any, Any], **ids: int) -> None:
    """Send the task after the commit. If the broker is away, that is logged: the sweep finds the row."""
    # Django names the hook in its log when it fails, and a bare partial has no name.
    transaction.on_commit(update_wrapper(partial(task.delay, **ids), task.delay), robust=True)


@shared_task(acks_late=True, soft_time_limit=60)
def notify(*, event_id: int, **_: object) -> None:
    jobs.notify(event_id=event_id, now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=60)
def deliver_due(**_: object) -> None:
    if jobs.deliver_due(clock=timezone.now):
        # Other tasks come first.
        deliver_due.delay()


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_notices(**_: object) -> None:
    for event_id in jobs.untold_events(now=timezone.now()):
        notify.delay(event_id=event_id)


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_deliveries(**_: object) -> None:
    if jobs.is_delivery_due(now=timezone.now()):
        for _number in range(settings.WEBHOOK_CALLS_AT_ONCE):
            deliver_due.delay()


@shared_task(acks_late=True, soft_time_limit=600)
def prune_deliveries(**_: object) -> None:
    jobs.prune_deliveries(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=600)
def mail_digests(**_: object) -> None:
    jobs.mail_digests(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=600)
def prune_notices(**_: object) -> None:
    jobs.prune_notices(now=timezone.now())
