"""The Celery tasks of matching. A lost or doubled task does no harm: the queue is the command log."""

from __future__ import annotations

from celery import shared_task

from compute_market.matching import jobs, notices
from compute_market.matching.clearing.tasks import drain_shard, enqueue_drain
from compute_market.matching.intake import relisting
from compute_market.matching.views import selectors
from foundation.clock import database_now

__all__ = ["drain_shard", "prune", "relist_cancelled", "sweep_shards", "tell_traders", "update_bands"]


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_shards(**_: object) -> None:
    """Expire what is due, and send a task for every shard that has work."""
    jobs.expire_orders(now=database_now())
    jobs.cancel_overdue(now=database_now())
    for shard, waiting in selectors.backlog().items():
        if waiting:
            enqueue_drain(shard)


@shared_task(acks_late=True, soft_time_limit=60)
def update_bands(**_: object) -> None:
    """Let price bands follow what is paid."""
    for shard in jobs.update_bands(now=database_now()):
        enqueue_drain(shard)


@shared_task(acks_late=True, soft_time_limit=60)
def relist_cancelled(**_: object) -> None:
    """Offer hours again that were given back."""
    for shard in relisting.relist_cancelled(now=database_now()):
        enqueue_drain(shard)


@shared_task(acks_late=True, soft_time_limit=600)
def prune(**_: object) -> None:
    """Delete old stream events and snapshots."""
    jobs.prune(now=database_now())


@shared_task(acks_late=True, soft_time_limit=60)
def tell_traders(**_: object) -> None:
    """Notify traders whose orders filled or expired."""
    notices.tell_traders(now=database_now())
