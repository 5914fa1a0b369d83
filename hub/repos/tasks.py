"""Bells of this room."""

from celery import shared_task
from django.utils import timezone

from hub.repos import jobs


@shared_task(soft_time_limit=600)
def purge_deleted(**_: object) -> None:
    jobs.purge_deleted(now=timezone.now())
