"""Which minutes of a lease its node delivered: its heartbeats by the database's clock are the evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from compute_market import clock, rows
from compute_market.leases.lifecycle import LockedLease
from compute_market.leases.models import UsageSample
from compute_market.leases.states import State
from compute_market.offers.models import Heartbeat

# A lease that nobody has taken up yet is not metered: its holder cannot use it.
METERED = (State.ACTIVE, State.PREEMPT_NOTICE, State.DRAINING, State.SOLD)


class Evidence:
    """The minutes in which the nodes of some leases were heard, read in one statement."""

    def __init__(self, leases: Sequence[LockedLease], *, until: datetime) -> None:
        self._minutes: dict[int, set[datetime]] = defaultdict(set)
        if not leases:
            return
        heard = Heartbeat.objects.filter(
            node_id__in={lease.node_id for lease in leases},
            minute__gte=min(lease.metered_through for lease in leases),
            minute__lt=until,
        )
        for node_id, minute in heard.values_list("node_id", "minute"):
            self._minutes[node_id].add(minute)

    def has(self, node_id: int, minute: datetime) -> bool:
        return minute in self._minutes[node_id]


def meter(lease: LockedLease, evidence: Evidence, *, until: datetime) -> list[UsageSample]:
    """Meter the minutes of a lease that are over: those before `until` and before its end.

    Changes the lease in memory and gives the samples to write with it.
    """
    if lease.state not in METERED:
        return []
    price = lease.price_micros_per_minute
    samples = []
    minute, end = lease.metered_through, min(clock.floor_minute(until), lease.ends_at)
    while minute < end:
        delivered = evidence.has(lease.node_id, minute)
        samples.append(
            UsageSample(
                lease_id=lease.pk,
                minute=minute,
                is_delivered=delivered,
                amount_micros=price if delivered else 0,
            )
        )
        minute += clock.MINUTE
    delivered_minutes = sum(sample.is_delivered for sample in samples)
    lease.delivered_minutes += delivered_minutes
    lease.used_micros += delivered_minutes * price
    lease.metered_through = max(lease.metered_through, end)
    return samples


def skip(lease: LockedLease, *, until: datetime) -> list[UsageSample]:
    """Note the minutes before `until` as not delivered: the lease had begun and could not be used."""
    samples = []
    end = min(clock.floor_minute(until), lease.ends_at)
    while lease.metered_through < end:
        samples.append(
            UsageSample(lease_id=lease.pk, minute=lease.metered_through, is_delivered=False, amount_micros=0)
        )
        lease.metered_through += clock.MINUTE
    return samples


def write(samples: Iterable[UsageSample]) -> None:
    """Write samples of any number of leases in one statement."""
    rows.add_rows(
        UsageSample,
        ("lease", "minute", "is_delivered", "amount_micros"),
        [(s.lease_id, s.minute, s.is_delivered, s.amount_micros) for s in samples],
    )
