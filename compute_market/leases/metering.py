"""The delivered minutes of a lease, by the database's clock.

A minute is delivered if the node was heard in it, unless a command of the holder waited all through it:
requested before the minute began, and not reported as started before it was over. A lease without commands is
delivered as long as the node is heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q
from django.db.models.functions import Coalesce

from compute_market.leases.lifecycle import LockedLease
from compute_market.leases.models import Lease, UsageSample, Work
from compute_market.leases.states import State
from compute_market.offers.models import Heartbeat
from foundation import clock
from foundation.database import bulk_sql

# A lease that no agent has started yet is not metered: its holder cannot use it.
METERED = (State.ACTIVE, State.PREEMPT_NOTICE, State.DRAINING, State.SOLD)


WRITTEN = ("metered_through", "delivered_minutes", "used_micros", "paid_micros")
"""The columns of a lease that metering and the pay for its hours change."""


class SampleRow(NamedTuple):
    """The columns of a usage sample."""

    lease_id: int
    minute: datetime
    is_delivered: bool
    amount_micros: int


class Evidence:
    """The minutes in which nodes of leases were heard, and in which commands waited: three statements."""

    def __init__(self, leases: Sequence[LockedLease], *, until: datetime) -> None:
        self._minutes: dict[int, set[datetime]] = defaultdict(set)
        # Lease id → from when to when a command waited; to None if it waits still.
        self._waits: dict[int, list[tuple[datetime, datetime | None]]] = defaultdict(list)
        if not leases:
            return
        since = min(lease.metered_through for lease in leases)
        heard = Heartbeat.objects.filter(
            node_id__in={lease.node_id for lease in leases}, minute__gte=since, minute__lt=until
        )
        for node_id, minute in heard.values_list("node_id", "minute"):
            self._minutes[node_id].add(minute)
        self._read_waits([lease.pk for lease in leases], since=since, until=until)

    def delivers(self, lease: LockedLease, minute: datetime) -> bool:
        """True if the node of the lease was heard in this minute, and no command waited all through it."""
        over = minute + clock.MINUTE
        return minute in self._minutes[lease.node_id] and not any(
            asked <= minute and (started is None or started >= over)
            for asked, started in self._waits[lease.pk]
        )

    def _read_waits(self, ids: Sequence[int], *, since: datetime, until: datetime) -> None:
        """A command that ended and was never reported as started waited until its end."""
        # Work that goes on in a lease that extends another one may have waited in that one.
        extended = dict(Lease.objects.filter(extends__in=ids).values_list("pk", "extends"))
        works = Work.objects.filter(lease__in=[*ids, *extended], requested_at__lt=until)
        waits = works.annotate(waited_until=Coalesce("started_at", "finished_at")).filter(
            Q(waited_until=None) | Q(waited_until__gt=since)
        )
        for lease_id, asked, started in waits.values_list("lease", "requested_at", "waited_until"):
            for pk in {lease_id, extended.get(lease_id) or lease_id}:
                self._waits[pk].append((asked, started))


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
        delivered = evidence.delivers(lease, minute)
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
    bulk_sql.add_rows(
        UsageSample,
        [
            SampleRow(sample.lease_id, sample.minute, sample.is_delivered, sample.amount_micros)
            for sample in samples
        ],
    )
