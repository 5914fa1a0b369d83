"""The assignment of a node's GPUs to leases at this moment. Needs the node's lock.

GPUs are assigned when a lease begins, not when it is traded. At any moment no more GPUs are sold than the
node has, so a lease that begins finds enough of them free. Assigning them earlier could leave gaps that no
lease fits into (docs/adr/0051).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from compute_market.leases.capacity import LockedNode, Stretch
from compute_market.leases.models import Binding, Lease
from compute_market.leases.states import LIVE, RUNNING, State

USING = (State.PROVISIONING, *RUNNING)


class TooFewGpus(RuntimeError):
    """More GPUs are promised than the node has: a broken invariant, never a refusal."""


def rebind(*, node: LockedNode, leases: Sequence[Lease], devices: Sequence[int], now: datetime) -> None:
    """Make the bindings of a node agree with the number of GPUs that each of its leases has at this moment.

    `leases` are the node's live ones, `devices` the indexes of its GPUs. First, leases with too many release
    GPUs; then leases with too few take free ones, preferably those they had before.
    """
    bound: dict[int, list[Binding]] = defaultdict(list)
    # Every binding that has not ended counts: a caller with a later `now` may have had the lock before us.
    for binding in Binding.objects.filter(node=node, ends_at__gt=now).order_by("gpu"):
        bound[binding.lease_id].append(binding)
    wanted = {lease.pk: needs(lease, leases, now) for lease in leases}
    for lease_id, bindings in bound.items():
        for binding in bindings[wanted.get(lease_id, 0) :]:
            cut(binding, now=now)
        del bindings[wanted.get(lease_id, 0) :]
    taken = {binding.gpu for bindings in bound.values() for binding in bindings}
    short = [lease for lease in leases if wanted[lease.pk] > len(bound[lease.pk])]
    had = _had_before(short)
    new = []
    # Those that carry on another lease's work come first: the GPUs it runs on must not go to a neighbour.
    for lease in sorted(short, key=lambda one: (one.extends_id is None, one.starts_at, one.pk)):
        missing = wanted[lease.pk] - len(bound[lease.pk])
        before = had[lease.pk]
        free = sorted((gpu for gpu in devices if gpu not in taken), key=lambda gpu: (gpu not in before, gpu))
        if len(free) < missing:
            raise TooFewGpus(
                f"Lease {lease.pk} needs {missing} GPUs of node {node.pk}; {len(free)} are free."
            )
        new += [
            Binding(lease=lease, node=node, gpu=gpu, starts_at=now, ends_at=lease.ends_at)
            for gpu in free[:missing]
        ]
        taken.update(free[:missing])
    Binding.objects.bulk_create(new)


def needs(lease: Lease, leases: Iterable[Lease], now: datetime) -> int:
    """The number of GPUs that a lease has at this moment: its own, less those it sold on."""
    if lease.state not in USING or not lease.starts_at <= now < lease.ends_at:
        return 0
    sold = sum(
        other.gpus
        for other in leases
        if other.parent_id == lease.pk and other.state in LIVE and other.starts_at <= now < other.ends_at
    )
    return lease.gpus - sold


def is_sold_out(lease: Lease, resold: Collection[Lease], now: datetime) -> bool:
    """True if all that is left of a lease, from this moment to its end, was sold on."""
    parts: list[Stretch] = [
        (part.starts_at, part.ends_at, part.gpus) for part in resold if part.state in LIVE
    ]
    edges = sorted({now, *(edge for since, until, _ in parts for edge in (since, until) if edge > now)})
    return bool(parts) and all(
        sum(gpus for since, until, gpus in parts if since <= edge < until) >= lease.gpus
        for edge in edges
        if edge < lease.ends_at
    )


def release(lease: Lease, *, now: datetime) -> None:
    """Give back the GPUs of a lease that is over."""
    for binding in Binding.objects.filter(lease=lease, ends_at__gt=now):
        cut(binding, now=now)


def cut(binding: Binding, *, now: datetime) -> None:
    """End a binding now."""
    if binding.starts_at >= now:
        binding.delete()
    else:
        binding.ends_at = now
        binding.save(update_fields=["ends_at"])


def gpus_of(lease: Lease, *, now: datetime) -> list[int]:
    """The indexes of the GPUs that are a lease's now."""
    bindings = Binding.objects.filter(lease=lease, starts_at__lte=now, ends_at__gt=now)
    return sorted(bindings.values_list("gpu", flat=True))


def _had_before(leases: Iterable[Lease]) -> dict[int, set[int]]:
    """Lease id → the GPUs that it, or the one it extends, had last: work likes to stay where it is."""
    by_source = {source: lease.pk for lease in leases for source in (lease.pk, lease.extends_id) if source}
    had: dict[int, set[int]] = defaultdict(set)
    if by_source:
        last = Binding.objects.filter(lease_id__in=by_source).values_list("lease_id", "gpu")
        for lease_id, gpu in last:
            had[by_source[lease_id]].add(gpu)
    return had
