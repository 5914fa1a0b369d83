"""The Celery tasks of the Xet store. A lost or doubled task does no harm."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from hub.xet import jobs


@shared_task(acks_late=True, soft_time_limit=6 * 3600)
def collect_unused(**_: object) -> None:
    jobs.collect(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=24 * 3600)
def scrub_stored(**_: object) -> None:
    jobs.scrub(now=timezone.now())
