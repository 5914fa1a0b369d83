"""Bells of this room."""

from celery import shared_task
from django.utils import timezone

from hub.revisions import jobs


@shared_task(soft_time_limit=1800)
def catch_up(**_: object) -> None:
    jobs.catch_up(now=timezone.now())
