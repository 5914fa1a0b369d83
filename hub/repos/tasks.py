"""The Celery tasks of repositories. A lost or doubled task does no harm."""

from celery import shared_task
from django.utils import timezone

from hub.repos import jobs


@shared_task(soft_time_limit=600)
def purge_deleted(**_: object) -> None:
    jobs.purge_deleted(now=timezone.now())


@shared_task(soft_time_limit=3600)
def drop_stray_folders(**_: object) -> None:
    jobs.drop_stray_folders(now=timezone.now())
