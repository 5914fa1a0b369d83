"""Doorbells and sweeps of this room."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

from celery import Task, shared_task
from django.db import transaction
from django.utils import timezone

from hub.community import jobs


def ring(bell: Task[Any, Any], **ids: int) -> None:
    """Ring after the commit. A broker that is away is logged and no more: the sweep finds the row."""
    # Django names the hook in its log when it fails, and a bare partial has no name.
    transaction.on_commit(update_wrapper(partial(bell.delay, **ids), bell.delay), robust=True)


@shared_task(acks_late=True, soft_time_limit=60)
def notify(*, event_id: int, **_: object) -> None:
    jobs.notify(event_id=event_id, now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=60)
def deliver(*, delivery_id: int, **_: object) -> None:
    jobs.deliver(delivery_id=delivery_id, now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_notices(**_: object) -> None:
    for event_id in jobs.untold_events(now=timezone.now()):
        notify.delay(event_id=event_id)


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_deliveries(**_: object) -> None:
    for delivery_id in jobs.due_deliveries(now=timezone.now()):
        deliver.delay(delivery_id=delivery_id)


@shared_task(acks_late=True, soft_time_limit=600)
def prune_deliveries(**_: object) -> None:
    jobs.prune_deliveries(now=timezone.now())
