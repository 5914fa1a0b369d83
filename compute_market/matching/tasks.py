"""The Celery tasks of matching. A lost or doubled task does no harm: the queue is the command log."""

from __future__ import annotations

from functools import partial, update_wrapper

from celery import shared_task
from django.db import transaction

from compute_market.clock import database_now
from compute_market.matching import jobs, relisting, selectors, wakeups

# Other work waits for the worker's processes too, so the listening goes through the queue again after this.
LISTEN_SECONDS = 2.0


@shared_task(acks_late=True, soft_time_limit=120)
def drain_shard(*, shard: int, **_: object) -> None:
    """Drain a shard. In a worker, wait a moment for more; a direct call returns at once."""
    wakeups.task_begun(shard)
    is_worker = not (drain_shard.request.called_directly or drain_shard.request.is_eager)
    jobs.drain_shard(shard=shard, now=database_now(), listen_seconds=LISTEN_SECONDS if is_worker else 0)


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
    """Let go of old news and snapshots."""
    jobs.prune(now=database_now())


def queue(shard: int) -> str:
    """The Celery queue of a shard's tasks; a worker may serve several queues, and a queue several workers."""
    return f"market-{shard}"


def enqueue_drain(shard: int) -> None:
    """Wake the shard's worker after the commit, once per transaction. A sweep finds what was lost."""
    # Django names the hook in its log when it fails, and a bare partial has no name.
    send = update_wrapper(partial(_send, shard), _send)
    waiting = (hook for _, hook, *_ in transaction.get_connection().run_on_commit)
    if not any(isinstance(hook, partial) and (hook.func, hook.args) == (_send, (shard,)) for hook in waiting):
        transaction.on_commit(send, robust=True)


def _send(shard: int) -> None:
    if wakeups.needs_task(shard):
        drain_shard.apply_async(kwargs={"shard": shard}, queue=queue(shard), retry=False)
