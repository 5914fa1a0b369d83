"""The Celery tasks of downloads. A lost or doubled task does no harm."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from hub.downloads import jobs


@shared_task(acks_late=True, soft_time_limit=300)
def flush(**_: object) -> None:
    jobs.flush(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=1800)
def recount(**_: object) -> None:
    jobs.recount(now=timezone.now())
