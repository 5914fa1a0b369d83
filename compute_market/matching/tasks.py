"""The market's doorbells: a lost or doubled ring does no harm."""

from __future__ import annotations

from functools import partial, update_wrapper

from celery import shared_task
from django.db import transaction

from compute_market.clock import database_now
from compute_market.matching import jobs, marks, relisting, selectors

# Other work waits for the worker's processes too, so the listening goes through the queue again after this.
LISTEN_SECONDS = 2.0


@shared_task(acks_late=True, soft_time_limit=120)
def drain_shard(*, shard: int, **_: object) -> None:
    """There may be work in a shard. A worker listens for more; whoever calls this himself goes on."""
    marks.heard(shard)
    is_worker = not (drain_shard.request.called_directly or drain_shard.request.is_eager)
    jobs.drain_shard(shard=shard, now=database_now(), listen_seconds=LISTEN_SECONDS if is_worker else 0)


@shared_task(acks_late=True, soft_time_limit=60)
def sweep_shards(**_: object) -> None:
    """Expire what is due, and ring for every shard that has work which no bell was heard for."""
    jobs.expire_orders(now=database_now())
    jobs.cancel_overdue(now=database_now())
    for shard, waiting in selectors.backlog().items():
        if waiting:
            ring(shard)


@shared_task(acks_late=True, soft_time_limit=60)
def update_bands(**_: object) -> None:
    """Let price bands follow what is paid."""
    for shard in jobs.update_bands(now=database_now()):
        ring(shard)


@shared_task(acks_late=True, soft_time_limit=60)
def relist_cancelled(**_: object) -> None:
    """Offer hours again that were given back."""
    for shard in relisting.relist_cancelled(now=database_now()):
        ring(shard)


@shared_task(acks_late=True, soft_time_limit=600)
def prune(**_: object) -> None:
    """Let go of old news and snapshots."""
    jobs.prune(now=database_now())


def queue(shard: int) -> str:
    """The queue of a shard's bells; one worker or several may listen to any of them."""
    return f"market-{shard}"


def ring(shard: int) -> None:
    """Ring after the commit, once however often it is asked; the sweep makes up for a silent broker."""
    # Django names the hook in its log when it fails, and a bare partial has no name.
    bell = update_wrapper(partial(_send, shard), _send)
    waiting = (hook for _, hook, *_ in transaction.get_connection().run_on_commit)
    if not any(isinstance(hook, partial) and (hook.func, hook.args) == (_send, (shard,)) for hook in waiting):
        transaction.on_commit(bell, robust=True)


def _send(shard: int) -> None:
    if marks.needs_task(shard):
        drain_shard.apply_async(kwargs={"shard": shard}, queue=queue(shard), retry=False)
