"""The Celery tasks of the ledger. A lost or doubled task does no harm."""

from celery import shared_task

from compute_market.ledger import balance_alerts, jobs
from foundation import clock


@shared_task(acks_late=True, soft_time_limit=60)
def expire_reservations(**_: object) -> None:
    jobs.expire_reservations(now=clock.database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def tell_low_balances(**_: object) -> None:
    while balance_alerts.tell_low_balances(now=clock.database_now()) == balance_alerts.BATCH:
        pass
