"""The Celery task that drains a shard, and how it is sent. Its name is the one that older versions queued."""

from __future__ import annotations

from functools import partial, update_wrapper

from celery import shared_task
from django.db import transaction

from compute_market.matching.clearing import wakeups, worker
from foundation.clock import database_now

# Other work waits for the worker's processes too, so the listening goes through the queue again after this.
LISTEN_SECONDS = 2.0


@shared_task(name="compute_market.matching.tasks.drain_shard", acks_late=True, soft_time_limit=120)
def drain_shard(*, shard: int, **_: object) -> None:
    """Drain a shard. In a worker, wait a moment for more; a direct call returns at once."""
    wakeups.task_begun(shard)
    is_worker = not (drain_shard.request.called_directly or drain_shard.request.is_eager)
    worker.drain_shard(shard=shard, now=database_now(), listen_seconds=LISTEN_SECONDS if is_worker else 0)


def queue(shard: int) -> str:
    """The Celery queue of a shard's tasks; a worker may serve several queues, and a queue several workers."""
    return f"market-{shard}"


def enqueue_drain(shard: int) -> None:
    """Wake the shard's worker after the commit, once per transaction. A sweep finds what was lost."""
    # Django names the hook in its log when it fails, and a bare partial has no name.
    send = update_wrapper(partial(send_drain, shard), send_drain)
    waiting = (
        hook for _, hook, *_ in transaction.get_connection().run_on_commit if isinstance(hook, partial)
    )
    if not any((hook.func, hook.args) == (send_drain, (shard,)) for hook in waiting):
        transaction.on_commit(send, robust=True)


def send_drain(shard: int) -> None:
    """Send the task of a shard now, unless a worker listens for it or one is queued."""
    if wakeups.needs_task(shard):
        drain_shard.apply_async(kwargs={"shard": shard}, queue=queue(shard), retry=False)
