"""The Celery tasks of the demo. A lost or doubled task does no harm."""

from celery import shared_task

from compute_market.demo import jobs
from foundation.clock import database_now


@shared_task(acks_late=True, soft_time_limit=60)
def tend(**_: object) -> None:
    jobs.tend(now=database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def trade(**_: object) -> None:
    jobs.trade(now=database_now())
