"""The Celery tasks of leases. A lost or doubled task does no harm."""

from celery import shared_task

from compute_market.leases import jobs, notices, traffic
from foundation import clock


@shared_task(acks_late=True, soft_time_limit=300)
def advance_leases(**_: object) -> None:
    """Start, meter, end and settle what is due."""
    jobs.advance(now=clock.database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def count_traffic(**_: object) -> None:
    """Add what the tunnels counted to the leases."""
    traffic.write_down(now=clock.database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def tell_holders(**_: object) -> None:
    """Notify the holders of leases that started, ended, are reclaimed or lost."""
    while notices.tell_holders(now=clock.database_now()) == notices.BATCH:
        pass
