"""The Celery tasks of the ledger. A lost or doubled task does no harm."""

from celery import shared_task

from compute_market.ledger import jobs
from foundation import clock


@shared_task(acks_late=True, soft_time_limit=60)
def expire_reservations(**_: object) -> None:
    jobs.expire_reservations(now=clock.database_now())
