"""Jobs that follow the course of a lease: start, meter, end, break, settle.

Every job finds its own work by the rows, takes it in small commits, and is safe to run twice or at once with
itself. Locks are taken in the order of docs/locking.md: accounts, nodes, leases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from compute_market.leases import bindings, capacity, metering, money
from compute_market.leases.lifecycle import LockedLease, lock_leases, move, move_all, tell_of_work
from compute_market.leases.models import Lease, Work
from compute_market.leases.states import LIVE, OVER, RUNNING, State
from compute_market.offers import bonds
from compute_market.offers.models import HardwareReport, Node
from compute_market.offers.signals import announce
from foundation import clock
from foundation.database import bulk_sql

BATCH = 200
# Steps that are a commit each; what is left over waits for the next sweep.
EACH_MAX = 1000
# Seconds that an agent has to stop the work of a lease that has ended.
DRAIN_GRACE = timedelta(seconds=60)


def meter_grace() -> timedelta:
    """For so long heartbeats of a minute that is over may still be on their way into the database."""
    return timedelta(seconds=settings.MARKET_METER_GRACE_SECONDS)


def advance(*, now: datetime) -> None:
    """Everything that is due, in the order in which one thing leads to the next."""
    lose_leases_of_retired_nodes(now=now)
    end_leases(now=now)
    start_leases(now=now)
    fail_unprovisioned(now=now)
    lose_leases(now=now)
    preempt_leases(now=now)
    meter_leases(now=now)
    finish_draining(now=now)
    settle_leases(now=now)


def start_leases(*, now: datetime) -> int:
    """Give leases whose time has come their GPUs and offer them to their nodes' agents."""
    started = 0
    due = Lease.objects.due_to_start(now).filter(ends_at__gt=now)
    changing = Lease.objects.filter(
        Q(resold__state__in=LIVE, resold__starts_at__lte=now), state__in=bindings.USING
    )
    for node_id in sorted({*_node_ids(due), *_node_ids(changing)}):
        started += start_on_node(node_id=node_id, now=now)
    return started


def start_on_node(*, node_id: int, now: datetime) -> int:
    """Start what is due on one node, and give every lease there the GPUs it has a right to."""
    with transaction.atomic(durable=True):
        node = capacity.lock_nodes(ids=[node_id])[node_id]
        leases = lock_leases(list(Lease.objects.live().filter(node=node).values_list("pk", flat=True)))
        due = [
            lease
            for lease in leases
            if lease.state == State.PENDING and lease.starts_at <= now < lease.ends_at
        ]
        for lease in due:
            lease.token = uuid4()
            lease.provisioning_since = now
            _take_over_work(lease, [*leases])
        move_all(due, State.PROVISIONING, now=now)
        for lease in leases:
            resold = [part for part in leases if part.parent_id == lease.pk]
            if lease.state in bindings.USING and bindings.is_sold_out(lease, resold, now):
                _stop_work(lease, now=now, reason="sold")
                metering.write(metering.skip(lease, until=now) if lease.state == State.PROVISIONING else [])
                move(lease, State.SOLD, now=now)
        bindings.rebind(node=node, leases=leases, devices=_devices(node), now=now)
    return len(due)


def fail_unprovisioned(*, now: datetime) -> int:
    """Give up leases that no agent took up in time."""
    limit = now - timedelta(seconds=settings.MARKET_PROVISION_SECONDS)
    late = Lease.objects.filter(state=State.PROVISIONING, provisioning_since__lte=limit)
    return _each(
        late, lambda lease: break_off(lease, State.PROVISION_FAILED, now=now, reason="no agent took it up")
    )


def lose_leases(*, now: datetime) -> int:
    """Give up leases that have begun and whose node has been silent for too long."""
    limit = now - timedelta(seconds=settings.MARKET_LEASE_LOST_SECONDS)
    silent = Lease.objects.due_to_meter(now).filter(
        Q(node__last_heartbeat_at__lte=limit) | Q(node__last_heartbeat_at=None),
        starts_at__lte=limit,
        ends_at__gt=now,
    )
    lost = _each(silent, lambda lease: break_off(lease, State.LOST, now=now, reason="its node fell silent"))
    # A part of a lease may have been sold in the moment in which the lease broke.
    orphans = Lease.objects.live().filter(parent__state__in=(*OVER, State.SETTLED), ends_at__gt=now)
    return lost + _each(
        orphans,
        lambda part: break_off(part, State.LOST, now=now, reason="the lease it was a part of is over"),
    )


def lose_leases_of_retired_nodes(*, now: datetime) -> int:
    """Give up every lease of a node that was retired, also those whose time has not come."""
    retired = Node.objects.filter(state=Node.State.RETIRED).values("pk")
    # Settled ones are excluded in the words of the index of live leases.
    promised = Lease.objects.exclude(state=State.SETTLED).live().filter(node__in=retired, ends_at__gt=now)
    return _each(
        promised, lambda lease: break_off(lease, State.LOST, now=now, reason="its provider retired the node")
    )


def preempt_leases(*, now: datetime) -> int:
    """End leases whose notice has run out."""
    due = Lease.objects.filter(state=State.PREEMPT_NOTICE, preempt_at__lte=now)
    return _each(due, lambda lease: break_off(lease, State.PREEMPTED, now=now, reason=lease.reason))


def meter_leases(*, now: datetime) -> int:
    """Meter every minute that is over, of every lease that can be used, and pay sellers by the hour."""
    until = clock.floor_minute(now - meter_grace())
    due = Lease.objects.filter(state__in=metering.METERED, metered_through__lt=until).exclude(
        metered_through__gte=F("ends_at")
    )
    metered = 0
    ids = list(due.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        metered += _meter_batch(ids[first : first + BATCH], until=until, now=now)
    return metered


def end_leases(*, now: datetime) -> int:
    """End leases at their time; what runs in them has a moment to stop."""

    def end(lease: LockedLease) -> None:
        if lease.state == State.PENDING and lease.ends_at > lease.starts_at:
            # The lease was not started in all its time (this service was down), so nothing was delivered.
            lease.provisioning_since = now
            move(lease, State.PROVISIONING, now=now)
        if lease.state == State.PROVISIONING and lease.is_given_up:
            # The holder ended it while the agent still had time to start it, so the provider did not break it
            # off.
            metering.write(metering.skip(lease, until=lease.ends_at))
            drain(lease)
        elif lease.state == State.PROVISIONING:
            break_off(lease, State.PROVISION_FAILED, now=now, reason="no agent took it up")
        elif lease.state in {State.PENDING, State.SOLD}:
            _meter_to_the_end(lease)
            move(lease, State.ENDED, now=now)
        else:
            drain(lease)

    def drain(lease: LockedLease) -> None:
        move(lease, State.DRAINING, now=now)
        bindings.release(lease, now=now)
        _ask_to_stop(lease, now=now)
        _end_if_quiet(lease, now)

    # Heartbeats of the last minute are given the same grace as those of any other.
    due = Lease.objects.due_to_end(now - meter_grace()).exclude(state=State.DRAINING)
    return _each(due, end)


def finish_draining(*, now: datetime) -> int:
    """End leases whose work has stopped, or whose agent took too long to stop it."""
    return _each(Lease.objects.filter(state=State.DRAINING), lambda lease: _end_if_quiet(lease, now))


def settle_leases(*, now: datetime) -> int:
    """Divide the money of leases that are over."""
    settled = 0
    ids = list(Lease.objects.over().order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        settled += _settle_batch(ids[first : first + BATCH], now=now)
    return settled


def _settle_batch(ids: Sequence[int], *, now: datetime) -> int:
    """Settle leases that are over. Bonds that paid a credit are reviewed."""
    with transaction.atomic(durable=True):
        leases = list(Lease.objects.select_related("node__provider").filter(pk__in=ids))
        lease_accounts = money.lease_accounts(leases, now=now)
        journal = money.journal_for(lease_accounts.values(), now=now)
        nodes = bonds.lock(provider_ids=money.providers_in_debt(leases, lease_accounts))
        over = [lease for lease in lock_leases(ids) if lease.state in OVER]
        for lease in over:
            money.divide(journal, lease, lease_accounts[lease.pk])
        journal.write()
        for lease in over:
            lease.settled_at = now
        move_all(over, State.SETTLED, now=now)
        announce(bonds.review(nodes.values()).values(), now=now)
    return len(over)


def _meter_batch(ids: Sequence[int], *, until: datetime, now: datetime) -> int:
    with transaction.atomic(durable=True):
        lease_accounts = money.lease_accounts(
            Lease.objects.select_related("node__provider").filter(pk__in=ids), now=now
        )
        journal = money.journal_for(lease_accounts.values(), now=now)
        leases = lock_leases(ids)
        evidence = metering.Evidence(leases, until=until)
        samples = []
        for lease in leases:
            samples += metering.meter(lease, evidence, until=until)
            money.pay_used_hours(journal, lease, lease_accounts[lease.pk])
        metering.write(samples)
        bulk_sql.update_objects(Lease, metering.WRITTEN, leases)
        journal.write()
    return len(samples)


def _each(found: QuerySet[Lease], step: Callable[[LockedLease], None]) -> int:
    """Do a step to every lease found, each under its lock, in its own commit, and only if still found."""
    done = 0
    for lease_id in list(found.order_by("pk").values_list("pk", flat=True).distinct()[:EACH_MAX]):
        with transaction.atomic(durable=True):
            lease = next(iter(lock_leases([lease_id])), None)
            if lease is None or not found.filter(pk=lease_id).exists():
                continue
            step(lease)
            done += 1
    return done


def break_off(lease: LockedLease, state: State, *, now: datetime, reason: str) -> None:
    """End a lease before its time, and with it what was sold on from it."""
    parts = Lease.objects.live().filter(parent_id=lease.pk).order_by("pk").values_list("pk", flat=True)
    for part in lock_leases(list(parts)):
        break_off(
            part, State.LOST, now=now, reason=f"lease {lease.pk}, of which it was a part, is {state.value}"
        )
    samples = metering.meter(lease, metering.Evidence([lease], until=now), until=now)
    metering.write(samples or metering.skip(lease, until=now))
    _stop_work(lease, now=now, reason=state.value)
    bindings.release(lease, now=now)
    lease.ends_at = min(lease.ends_at, max(lease.starts_at, clock.ceil_minute(now)))
    move(lease, state, now=now, reason=reason)


def _end_if_quiet(lease: LockedLease, now: datetime) -> None:
    """End a lease that drains, unless its work still has time to stop."""
    if lease.works.filter(state__in=Work.OPEN).exists():
        if now < lease.ends_at + DRAIN_GRACE:
            return
        _stop_work(lease, now=now, reason="the lease ended")
    _meter_to_the_end(lease)
    move(lease, State.ENDED, now=now)


def _meter_to_the_end(lease: LockedLease) -> None:
    evidence = metering.Evidence([lease], until=lease.ends_at)
    metering.write(metering.meter(lease, evidence, until=lease.ends_at))


def _ask_to_stop(lease: Lease, *, now: datetime) -> None:
    for work in lease.works.filter(state__in=[Work.State.QUEUED, Work.State.RUNNING]):
        work.state = Work.State.STOPPING
        work.save(update_fields=["state"])
        tell_of_work(work, now=now)


def _stop_work(lease: Lease, *, now: datetime, reason: str) -> None:
    for work in lease.works.filter(state__in=Work.OPEN):
        work.state, work.reason, work.finished_at = Work.State.STOPPED, reason[:300], now
        work.save(update_fields=["state", "reason", "finished_at"])
        tell_of_work(work, now=now)


def _take_over_work(lease: LockedLease, neighbours: Sequence[Lease]) -> None:
    """If a lease begins where another of the same holder ends, on as many GPUs, its work goes on."""
    taken = {other.extends_id for other in neighbours}
    for before in neighbours:
        if (
            before.state in {*RUNNING, State.DRAINING}
            and (before.holder_id, before.gpus) == (lease.holder_id, lease.gpus)
            and before.ends_at == before.agreed_end_at == lease.starts_at
            and before.pk not in taken
        ):
            lease.extends = before
            Work.objects.filter(lease=before, state__in=Work.OPEN).update(lease=lease)
            Work.objects.filter(lease=lease, state=Work.State.STOPPING).update(state=Work.State.RUNNING)
            return


def _devices(node: Node) -> list[int]:
    """The indexes of the node's GPUs, as its last accepted report counts them."""
    report = HardwareReport.objects.filter(node=node, is_accepted=True).order_by("-pk").first()
    if report is None or len(report.devices) != node.gpus:
        return list(range(node.gpus))
    return sorted(device["index"] for device in report.devices)


def _node_ids(leases: QuerySet[Lease]) -> Iterable[int]:
    return leases.order_by().values_list("node_id", flat=True).distinct()
