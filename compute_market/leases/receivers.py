"""Facts that leases hear. A receiver only tells another process that there is something to do."""

from datetime import datetime

from django.db import transaction
from django.dispatch import receiver

from compute_market.leases import selectors, tasks, traffic
from compute_market.leases.models import Lease, Work
from compute_market.leases.signals import lease_moved, leases_opened, work_moved
from compute_market.leases.states import OVER, State
from compute_market.offers.signals import node_retired


@receiver(leases_opened)
def start_what_begins_now(*, starts_at: datetime, now: datetime, **_: object) -> None:
    """A lost task is made up for by the sweep, and never undoes the trades."""
    if starts_at <= now:
        _advance_soon()


@receiver(node_retired)
def end_what_a_retired_node_promised(**_: object) -> None:
    """The sweep finds the leases of a retired node by the rows, and settles them."""
    _advance_soon()


@receiver(lease_moved)
def end_its_streams(*, lease_id: int, state: str, now: datetime, **_: object) -> None:
    """If another lease continues the work, its connections stay open; otherwise they are closed."""
    if state not in {State.DRAINING, State.SOLD, *OVER}:
        return
    lease = Lease.objects.get(pk=lease_id)
    if state in {State.DRAINING, State.ENDED} and goes_on(lease, now):
        return
    traffic.tell_over(lease_id)


@receiver(lease_moved)
def wake_its_node(*, node_id: int, state: str, **_: object) -> None:
    """The agent of the lease's node has something to take up or to end."""
    if state in {State.PROVISIONING, State.DRAINING, State.SOLD, *OVER}:
        traffic.wake_node(node_id)


@receiver(work_moved)
def wake_the_node_of_a_work(*, lease_id: int, state: str, **_: object) -> None:
    """A holder asked for a command or stopped one, perhaps before the agent told that it runs."""
    if state in {Work.State.QUEUED, Work.State.STOPPING, Work.State.STOPPED}:
        traffic.wake_node(Lease.objects.values_list("node_id", flat=True).get(pk=lease_id))


def goes_on(lease: Lease, now: datetime) -> bool:
    """True if another lease continues this one's work."""
    return selectors.run_until(lease) > now or Lease.objects.filter(extends=lease).exists()


def _advance_soon() -> None:
    """Let a worker advance the leases once the transaction is committed."""
    transaction.on_commit(lambda: tasks.advance_leases.apply_async(retry=False), robust=True)
