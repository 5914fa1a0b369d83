"""The Celery tasks of LFS. A lost or doubled task does no harm."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from hub.lfs import jobs


@shared_task(acks_late=True, soft_time_limit=3600)
def collect_objects(**_: object) -> None:
    jobs.collect(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=24 * 3600)
def convert_objects(**_: object) -> None:
    if settings.XET_CONVERT_LFS:
        jobs.convert(now=timezone.now())
