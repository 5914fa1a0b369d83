"""The steps in the life of a lease: opened by a trade, moved from state to state.

Steps need the lock of the lease (and, where money moves, of its accounts before it); jobs and services take
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, NewType

from compute_market import rows
from compute_market.leases.models import Lease, LeaseEvent
from compute_market.leases.signals import lease_moved, leases_opened
from compute_market.leases.states import NEXT, OVER, State

LockedLease = NewType("LockedLease", Lease)
"""A lease whose row this transaction holds; made only by `lock_lease()` and `lock_leases()`."""


class LeaseOpening(NamedTuple):
    """What a trade says of the lease it makes. Accounts, orders and the trade by primary key.

    `hold_id` is the sell order's hold; `parent_id` the lease that is sold back, if one is.
    """

    trade_id: int
    shard: int
    product_id: int
    node_id: int
    buyer_id: int
    seller_id: int
    hold_id: int | None
    parent_id: int | None
    gpus: int
    start: datetime
    end: datetime
    price_micros_per_gpu_hour: int
    notional_micros: int
    seller_fee_micros: int


OPENED = (
    "trade_number",
    "shard",
    "product",
    "node",
    "holder",
    "seller",
    "hold",
    "parent",
    "gpus",
    "starts_at",
    "ends_at",
    "agreed_end_at",
    "price_micros_per_gpu_hour",
    "notional_micros",
    "seller_fee_micros",
    "metered_through",
)
UNTOUCHED = {
    "state": State.PENDING.value,
    "reason": "",
    "delivered_minutes": 0,
    "used_micros": 0,
    "paid_micros": 0,
    "refunded_micros": 0,
    "credited_micros": 0,
}


def open_from_trades(openings: Sequence[LeaseOpening], *, now: datetime) -> list[int]:
    """Open the leases of a batch of trades, inside the commit that makes them; one statement for all.

    The buyers' money is in the shard's escrow account already. Gives the leases' ids in the given order.
    """
    if not openings:
        return []
    lease_ids = rows.insert_rows(
        Lease,
        OPENED,
        [
            (
                o.trade_id, o.shard, o.product_id, o.node_id, o.buyer_id, o.seller_id,
                o.hold_id, o.parent_id, o.gpus, o.start, o.end, o.end,
                o.price_micros_per_gpu_hour, o.notional_micros, o.seller_fee_micros, o.start,
            )
            for o in openings
        ],
        same={**UNTOUCHED, "opened_at": now},
    )  # fmt: skip
    starts_at = min(opening.start for opening in openings)
    leases_opened.send(sender=Lease, lease_ids=lease_ids, starts_at=starts_at, now=now)
    return lease_ids


def lock_lease(lease_id: int) -> LockedLease | None:
    """Lock one lease; None if there is none of that id."""
    lease = Lease.objects.select_for_update().filter(pk=lease_id).first()
    return None if lease is None else LockedLease(lease)


def lock_leases(ids: Sequence[int]) -> list[LockedLease]:
    """Lock leases by ascending id."""
    found = Lease.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return [LockedLease(lease) for lease in found]


WRITTEN = (
    "state",
    "reason",
    "token",
    "provisioning_since",
    "extends",
    "paid_micros",
    "refunded_micros",
    "credited_micros",
    "settled_at",
)


def move_all(leases: Sequence[LockedLease], state: State, *, now: datetime) -> None:
    """Move many leases to the same next state, with their `WRITTEN` fields, in two statements.

    Raises: RuntimeError as `move()`. For states that are no ends: `move()` notes when a lease was over.
    """
    for lease in leases:
        _require_way(lease, state)
        lease.state = state
    rows.update_rows(
        Lease,
        WRITTEN,
        [
            (
                lease.pk,
                lease.state,
                lease.reason,
                lease.token,
                lease.provisioning_since,
                lease.extends_id,
                lease.paid_micros,
                lease.refunded_micros,
                lease.credited_micros,
                lease.settled_at,
            )
            for lease in leases
        ],
    )
    rows.add_rows(
        LeaseEvent,
        ("lease", "reason"),
        [(lease.pk, lease.reason) for lease in leases],
        same={"state": state.value, "at": now},
    )
    for lease in leases:
        lease_moved.send(sender=Lease, lease_id=lease.pk, state=state.value, now=now)


def move(lease: LockedLease, state: State, *, now: datetime, reason: str = "") -> None:
    """Move a lease to its next state, and note it. The caller saves other fields it changed beforehand.

    Raises: RuntimeError when the table of states knows no such way: callers check first, so it is a bug.
    """
    _require_way(lease, state)
    lease.state = state
    lease.reason = reason[:300]
    if state in OVER:
        lease.over_at = now
    lease.save()
    LeaseEvent.objects.create(lease=lease, state=state, reason=lease.reason, at=now)
    lease_moved.send(sender=Lease, lease_id=lease.pk, state=state.value, now=now)


def _require_way(lease: Lease, state: State) -> None:
    if state not in NEXT[lease.state]:
        raise RuntimeError(f"Lease {lease.pk} cannot go from {lease.state} to {state}.")
