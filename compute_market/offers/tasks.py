"""The Celery tasks of supply. A lost or doubled task does no harm."""

from celery import shared_task

from compute_market.offers import jobs
from foundation import clock


@shared_task(acks_late=True, soft_time_limit=60)
def mark_silent_nodes(**_: object) -> None:
    jobs.mark_silent_nodes(now=clock.database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def review_bonds(**_: object) -> None:
    jobs.review_bonds(now=clock.database_now())


@shared_task(acks_late=True, soft_time_limit=300)
def forget_old_heartbeats(**_: object) -> None:
    jobs.forget_old_heartbeats(now=clock.database_now())
