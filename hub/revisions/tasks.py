"""The Celery tasks of revisions. A lost or doubled task does no harm."""

from celery import shared_task
from django.utils import timezone

from hub.revisions import jobs, reachability


@shared_task(soft_time_limit=1800)
def catch_up(**_: object) -> None:
    jobs.catch_up(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=6 * 3600)
def drop_unreachable(**_: object) -> None:
    reachability.drop_unreachable(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=6 * 3600)
def tidy(**_: object) -> None:
    jobs.tidy(now=timezone.now())
