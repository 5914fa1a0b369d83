"""The steps in the life of a lease: opened by a trade, moved from state to state.

Steps need the lock of the lease (and, where money moves, of its accounts before it); jobs and services take
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, NewType

from django.db.models import F

from compute_market import quantities
from compute_market.leases.models import JoinedFill, Lease, LeaseEvent, Work
from compute_market.leases.signals import lease_moved, leases_opened, work_moved
from compute_market.leases.states import NEXT, OVER, State
from compute_market.ledger.account_events import LEASES, Changes
from foundation import clock
from foundation.database import bulk_sql
from foundation.rows import maker

LockedLease = NewType("LockedLease", Lease)
"""A lease whose row this transaction holds; made only by `lock_lease()` and `lock_leases()`."""


class LeaseOpening(NamedTuple):
    """The data of a trade from which a lease is created or extended. Accounts, orders and the trade are
    primary keys.

    `hold_id` is the sell order's hold; `parent_id` the lease that is sold back, if one is. `is_first` says
    that the buy had no fill before this commit, so that no earlier lease of it need be looked for.
    """

    trade_id: int
    order_id: int
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
    buyer_fee_micros: int
    seller_fee_micros: int
    is_first: bool

    @property
    def price_micros_per_minute(self) -> int:
        """The notional of one minute."""
        return quantities.notional_micros(
            gpu_minutes=self.gpus, price_micros_per_gpu_hour=self.price_micros_per_gpu_hour
        )


make_opening = maker(LeaseOpening)


class LeaseChange(NamedTuple):
    """A lease in an account's event, as it stands after a commit; times in seconds since the epoch."""

    lease: int
    order: int | None
    product: int
    node: int
    gpus: int
    start: int
    end: int
    state: str
    reason: str


make_lease_change = maker(LeaseChange)


class _Machine(NamedTuple):
    """The key of fills that join into one lease: the order, the node, the window and the seller."""

    order_id: int | None
    node_id: int
    seller_id: int
    parent_id: int | None
    start: datetime
    end: datetime


class LeaseRow(NamedTuple):
    """The columns of a new lease that are not the same for all of a commit."""

    trade_number: int
    order_number: int
    shard: int
    product_id: int
    node_id: int
    holder_id: int
    seller_id: int
    hold_id: int | None
    parent_id: int | None
    gpus: int
    joined_gpus: int
    starts_at: datetime
    ends_at: datetime
    agreed_end_at: datetime
    price_micros_per_gpu_hour: int
    price_micros_per_minute: int
    notional_micros: int
    buyer_fee_micros: int
    seller_fee_micros: int
    metered_through: datetime


make_lease_row = maker(LeaseRow)


class JoinedFillRow(NamedTuple):
    """The columns of a fill that joined a lease."""

    lease_id: int
    trade_number: int
    hold_id: int | None
    gpus: int


class LeaseEventRow(NamedTuple):
    """The columns of a lease's event that are not the same for all of a commit."""

    lease_id: int
    reason: str


GROWN = (
    "gpus",
    "joined_gpus",
    "price_micros_per_gpu_hour",
    "price_micros_per_minute",
    "notional_micros",
    "buyer_fee_micros",
    "seller_fee_micros",
)
PENDING = State.PENDING.value
UNTOUCHED = {
    "state": PENDING,
    "reason": "",
    "delivered_minutes": 0,
    "used_micros": 0,
    "paid_micros": 0,
    "refunded_micros": 0,
    "fee_refunded_micros": 0,
    "credited_micros": 0,
    "cancel_fee_micros": 0,
    "given_up_micros": 0,
}


def open_from_trades(openings: Sequence[LeaseOpening], *, changes: Changes, now: datetime) -> list[int]:
    """Open the leases of a batch of trades, inside the commit that makes them; one statement for all.

    Fills of one order on one node and window, from one seller, are one lease: also with those of earlier
    commits, as long as that lease is pending. The first minute of a lease that is opened in it is free (rule
    M15). The buyers' money is in the shard's escrow account already. Gives the ids of the new
    leases; adds all that were opened or grew to `changes`, for their holders and sellers.
    """
    if not openings:
        return []
    pending = _pending(openings)
    groups: dict[_Machine, list[LeaseOpening]] = {}
    for opening in openings:
        groups.setdefault(_machine_of(opening), []).append(opening)
    new = [fills for machine, fills in groups.items() if machine not in pending]
    rows = [_opened(fills, now) for fills in new]
    lease_ids = bulk_sql.insert_rows(Lease, rows, same={**UNTOUCHED, "opened_at": now})
    joined = [
        _joined(pk, fill)
        for pk, fills in zip(lease_ids, new, strict=True)
        if len(fills) > 1
        for fill in fills[1:]
    ]
    for machine, lease in pending.items():
        fills = groups.get(machine, [])
        _grow(lease, fills)
        joined += [_joined(lease.pk, fill) for fill in fills]
    bulk_sql.update_objects(Lease, GROWN, pending.values())
    bulk_sql.add_rows(JoinedFill, joined)
    for pk, row in zip(lease_ids, rows, strict=True):
        _note_opened(changes, pk, row)
    for lease in pending.values():
        note(changes, lease)
    starts_at = min(opening.start for opening in openings)
    leases_opened.send(sender=Lease, lease_ids=lease_ids, starts_at=starts_at, now=now)
    return lease_ids


def note(changes: Changes, lease: Lease) -> None:
    """Add a lease as it stands to the events of its holder and its seller."""
    change = LeaseChange(
        lease=lease.pk,
        order=lease.order_number,
        product=lease.product_id,
        node=lease.node_id,
        gpus=lease.gpus,
        start=int(lease.starts_at.timestamp()),
        end=int(lease.ends_at.timestamp()),
        state=str(lease.state),
        reason=lease.reason,
    )
    for account_id in {lease.holder_id, lease.seller_id}:
        changes.add(account_id, LEASES, change)


def _note_opened(changes: Changes, lease_id: int, row: LeaseRow) -> None:
    change = make_lease_change(
        lease=lease_id,
        order=row.order_number,
        product=row.product_id,
        node=row.node_id,
        gpus=row.gpus,
        start=int(row.starts_at.timestamp()),
        end=int(row.ends_at.timestamp()),
        state=PENDING,
        reason="",
    )
    for account_id in {row.holder_id, row.seller_id}:
        changes.add(account_id, LEASES, change)


def _machine_of(fill: LeaseOpening) -> _Machine:
    return _Machine(fill.order_id, fill.node_id, fill.seller_id, fill.parent_id, fill.start, fill.end)


def _pending(openings: Sequence[LeaseOpening]) -> dict[_Machine, LockedLease]:
    """Leases that earlier fills of these orders made and that have not begun, locked."""
    later = [opening for opening in openings if not opening.is_first]
    if not later:
        return {}
    found = (
        Lease.objects.select_for_update()
        .filter(
            state=State.PENDING,
            ends_at=F("agreed_end_at"),
            node__in={opening.node_id for opening in later},
            starts_at__in={opening.start for opening in later},
            order_number__in=bulk_sql.listed({opening.order_id for opening in later}),
        )
        .exclude(state=State.SETTLED)  # as the index of live leases has it
        .order_by("pk")
    )
    return {
        _Machine(
            lease.order_number,
            lease.node_id,
            lease.seller_id,
            lease.parent_id,
            lease.starts_at,
            lease.ends_at,
        ): LockedLease(lease)
        for lease in found
    }


def _opened(fills: Sequence[LeaseOpening], now: datetime) -> LeaseRow:
    """The row of a new lease, made of its first fill and of those that join it at once."""
    first = fills[0]
    gpus, minute_price = first.gpus, first.price_micros_per_minute
    notional, buyer_fee, fee = first.notional_micros, first.buyer_fee_micros, first.seller_fee_micros
    price = first.price_micros_per_gpu_hour
    if len(fills) > 1:
        gpus = sum(fill.gpus for fill in fills)
        minute_price = sum(fill.price_micros_per_minute for fill in fills)
        notional = sum(fill.notional_micros for fill in fills)
        buyer_fee = sum(fill.buyer_fee_micros for fill in fills)
        fee = sum(fill.seller_fee_micros for fill in fills)
        price = quantities.average_price_micros(notional_micros=minute_price, gpu_minutes=gpus)
    free = clock.MINUTE if first.start < now < first.start + clock.MINUTE else timedelta(0)
    return make_lease_row(
        trade_number=first.trade_id,
        order_number=first.order_id,
        shard=first.shard,
        product_id=first.product_id,
        node_id=first.node_id,
        holder_id=first.buyer_id,
        seller_id=first.seller_id,
        hold_id=first.hold_id,
        parent_id=first.parent_id,
        gpus=gpus,
        joined_gpus=gpus - first.gpus,
        starts_at=first.start,
        ends_at=first.end,
        agreed_end_at=first.end,
        price_micros_per_gpu_hour=price,
        price_micros_per_minute=minute_price,
        notional_micros=notional,
        buyer_fee_micros=buyer_fee,
        seller_fee_micros=fee,
        metered_through=first.start + free,
    )


def _joined(lease_id: int, fill: LeaseOpening) -> JoinedFillRow:
    return JoinedFillRow(lease_id, fill.trade_id, fill.hold_id, fill.gpus)


def _grow(lease: LockedLease, fills: Sequence[LeaseOpening]) -> None:
    """Add further fills to a pending lease, in memory."""
    for fill in fills:
        lease.gpus += fill.gpus
        lease.joined_gpus += fill.gpus
        lease.price_micros_per_minute += fill.price_micros_per_minute
        lease.notional_micros += fill.notional_micros
        lease.buyer_fee_micros += fill.buyer_fee_micros
        lease.seller_fee_micros += fill.seller_fee_micros
    lease.price_micros_per_gpu_hour = quantities.average_price_micros(
        notional_micros=lease.price_micros_per_minute, gpu_minutes=lease.gpus
    )


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
    "extends_id",
    "paid_micros",
    "refunded_micros",
    "fee_refunded_micros",
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
    bulk_sql.update_objects(Lease, WRITTEN, leases)
    rows = [LeaseEventRow(lease.pk, lease.reason) for lease in leases]
    bulk_sql.add_rows(LeaseEvent, rows, same={"state": state.value, "at": now})
    changes = Changes()
    for lease in leases:
        note(changes, lease)
    changes.write(now=now)
    for lease in leases:
        _announce(lease, now)


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
    write_change(lease, now=now)
    _announce(lease, now)


def write_change(lease: Lease, *, now: datetime) -> None:
    """Write an event for the lease's holder and seller: it has another state, or another end."""
    changes = Changes()
    note(changes, lease)
    changes.write(now=now)


def tell_of_work(work: Work, *, now: datetime) -> None:
    """Announce that a work has another state, inside the transaction that gave it that state."""
    work_moved.send(sender=Work, work_id=work.pk, lease_id=work.lease_id, state=work.state, now=now)


def _announce(lease: Lease, now: datetime) -> None:
    lease_moved.send(
        sender=Lease, lease_id=lease.pk, node_id=lease.node_id, state=State(lease.state).value, now=now
    )


def _require_way(lease: Lease, state: State) -> None:
    if state not in NEXT[lease.state]:
        raise RuntimeError(f"Lease {lease.pk} cannot go from {lease.state} to {state}.")
