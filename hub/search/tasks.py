"""The Celery tasks of search. A lost or doubled task does no harm."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from hub.search import jobs


@shared_task(acks_late=True, soft_time_limit=1800)
def score_trending(**_: object) -> None:
    jobs.score_trending(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=300)
def count_slow_facets(**_: object) -> None:
    jobs.count_slow_facets()
