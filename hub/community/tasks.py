"""Doorbells and sweeps of this room."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from hub.community import jobs


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
