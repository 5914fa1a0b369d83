"""Invariants of leases. They are checked after every market test and by `manage.py audit_market`."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db.models import Case, Count, F, Q, Sum, When

from compute_market.leases.capacity import Stretch, given_back, peak, unheld
from compute_market.leases.models import Binding, Lease, LeaseEvent
from compute_market.leases.states import NEXT, State
from compute_market.ledger.models import Account
from compute_market.offers.models import GpuHold, Node

SETTLED_WITHIN = timedelta(minutes=15)


def audit(*, now: datetime | None = None) -> list[str]:
    """Every broken rule as one sentence. With `now`, also what should have been done by then."""
    findings = [
        *_gpus_promised_once(),
        *_gpus_bound_once(),
        *_escrow_is_what_leases_have_left(),
        *_fees_are_what_leases_paid(),
        *_use_is_what_was_metered(),
        *_events_follow_the_table(),
    ]
    return findings if now is None else [*findings, *_overdue(now)]


def _gpus_promised_once() -> Iterator[str]:
    """At no moment are more GPUs of a node, or of a lease that is sold back, promised than it has."""
    promised: dict[tuple[int, int | None], list[Stretch]] = defaultdict(list)
    for hold in GpuHold.objects.open():
        promised[hold.node_id, hold.lease_number].append((hold.starts_at, hold.ends_at, hold.gpus))
    leases = {lease.pk: lease for lease in Lease.objects.live()}
    for place, stretch in unheld(Lease.objects.live()):
        promised[place].append(stretch)
    for place, stretch in given_back(Lease.objects.all(), now=datetime.min.replace(tzinfo=UTC)):
        promised[place].append(stretch)
    gpus = dict(Node.objects.values_list("pk", "gpus"))
    for (node_id, lease_id), stretches in promised.items():
        if lease_id is not None and lease_id not in leases:
            continue
        has = gpus[node_id] if lease_id is None else leases[lease_id].gpus
        most = peak(stretches, min(s for s, _, _ in stretches), max(e for _, e, _ in stretches))
        if most > has:
            yield f"{most} of the {has} GPUs of node {node_id} (lease {lease_id}) are promised at one time."


def _gpus_bound_once() -> Iterator[str]:
    bound: dict[tuple[int, int], list[Binding]] = defaultdict(list)
    for binding in Binding.objects.order_by("starts_at"):
        bound[binding.node_id, binding.gpu].append(binding)
    for (node_id, gpu), bindings in bound.items():
        for before, after in itertools.pairwise(bindings):
            if after.starts_at < before.ends_at:
                yield (
                    f"GPU {gpu} of node {node_id} is bound by leases"
                    f" {before.lease_id} and {after.lease_id} at one time."
                )


def _escrow_is_what_leases_have_left() -> Iterator[str]:
    left = dict(
        Lease.objects.values_list("shard").annotate(
            left=Sum(F("notional_micros") - F("paid_micros") - F("refunded_micros"))
        )
    )
    for account in Account.objects.filter(kind=Account.Kind.ESCROW):
        wanted = left.pop(account.shard, 0)
        if account.balance_micros != wanted:
            yield f"The {account} has {account.balance_micros}; its leases have {wanted} left."
    for shard, wanted in left.items():
        if wanted:
            yield f"Leases of shard {shard} have {wanted} left and there is no escrow account."


def _fees_are_what_leases_paid() -> Iterator[str]:
    """Buyers pay their fee at the trade, sellers out of what they earn; undelivered minutes give it back."""
    paid = dict(
        Lease.objects.values_list("shard").annotate(
            paid=Sum(
                F("buyer_fee_micros")
                - F("fee_refunded_micros")
                + Case(
                    When(paid_micros__lt=F("seller_fee_micros"), then=F("paid_micros")),
                    default=F("seller_fee_micros"),
                )
            )
        )
    )
    for account in Account.objects.filter(kind=Account.Kind.FEES):
        wanted = paid.pop(account.shard, 0)
        if account.balance_micros != wanted:
            yield f"The {account} has {account.balance_micros}; the fees of its leases are {wanted}."
    for shard, wanted in paid.items():
        if wanted:
            yield f"Leases of shard {shard} paid {wanted} in fees and there is no fees account."


def _use_is_what_was_metered() -> Iterator[str]:
    metered = Lease.objects.annotate(
        minutes=Count("usage", filter=Q(usage__is_delivered=True)),
        cost=Sum("usage__amount_micros", default=0),
    )
    for lease in metered.exclude(minutes=F("delivered_minutes"), cost=F("used_micros")):
        yield f"The {lease} says {lease.delivered_minutes} minutes were used; its samples differ."


def _events_follow_the_table() -> Iterator[str]:
    last: dict[int, str] = {}
    for lease_id, state in LeaseEvent.objects.order_by("pk").values_list("lease_id", "state"):
        before = last.get(lease_id, State.PENDING.value)
        if State(state) not in NEXT[before]:
            yield f"Lease {lease_id} went from {before} to {state}."
        last[lease_id] = state
    for lease_id, state in Lease.objects.values_list("pk", "state"):
        if last.get(lease_id, State.PENDING.value) != state:
            yield f"Lease {lease_id} is {state}; its events say {last.get(lease_id)}."


def _overdue(now: datetime) -> Iterator[str]:
    late = Lease.objects.exclude(state=State.SETTLED).filter(ends_at__lt=now - SETTLED_WITHIN)
    for lease in late.order_by("pk"):
        yield f"The {lease} ended at {lease.ends_at:%F %H:%M} and is not settled."
