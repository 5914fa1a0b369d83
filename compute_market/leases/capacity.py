"""Free capacity: the GPUs of a node, or of a lease that is sold back, that are free over a window.

A sell order holds GPUs from its acceptance to its end (`GpuHold`). Until then, what it sold is part of its
hold; afterwards the leases themselves count. So the drain of a shard touches no capacity at all. Everything
here runs under the lock of the node, which comes after accounts' and before orders' and leases'.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, NewType

from django.db.models import F, Q, QuerySet, Sum

from compute_market.amounts import credits_of
from compute_market.leases.errors import CapacityTaken, LeaseNotFound, WindowOutsideLease
from compute_market.leases.models import JoinedFill, Lease
from compute_market.ledger.models import Account
from compute_market.offers.bonds import bond_of
from compute_market.offers.errors import NodeNotFound, NodeNotTradable
from compute_market.offers.models import GpuHold, Node
from foundation import clock
from foundation.database import bulk_sql
from foundation.database.cursors import prepared_cursor

LockedNode = NewType("LockedNode", Node)
"""A node whose row this transaction holds; made only by `lock_nodes()`."""

Stretch = tuple[datetime, datetime, int]
"""From when, until when, how many GPUs are taken."""


class HoldRow(NamedTuple):
    """The columns of a new hold."""

    node_id: int
    lease_number: int | None
    gpus: int
    starts_at: datetime
    ends_at: datetime
    cause: str
    created_at: datetime


def lock_nodes(*, ids: Collection[int]) -> dict[int, LockedNode]:
    """Lock nodes by ascending id; those that do not exist are left out."""
    found = Node.objects.select_for_update(of=("self",)).select_related("provider").filter(pk__in=ids)
    return {node.pk: LockedNode(node) for node in found.order_by("pk")}


def peak(stretches: Iterable[Stretch], start: datetime, end: datetime) -> int:
    """The most GPUs taken at any one moment of [start, end)."""
    taken = Taken()
    for stretch in stretches:
        taken.add(*stretch)
    return taken.peak(start, end)


class Taken:
    """GPUs taken over time: `_levels[i]` of them from `_moments[i]` until the next moment.

    The cost of adding or asking depends on the moments in the window, not on the number of stretches: a node
    may have thousands.
    """

    __slots__ = ("_levels", "_moments")

    def __init__(self) -> None:
        self._moments: list[datetime] = []
        self._levels: list[int] = []

    def add(self, start: datetime, end: datetime, gpus: int) -> None:
        """Take GPUs over [start, end)."""
        if start >= end:
            return
        first, last = self._cut(start), self._cut(end)
        for at in range(first, last):
            self._levels[at] += gpus

    def peak(self, start: datetime, end: datetime) -> int:
        """The most GPUs taken at any one moment of [start, end)."""
        first = max(0, bisect_right(self._moments, start) - 1)
        return max(0, *self._levels[first : bisect_left(self._moments, end)], 0)

    def _cut(self, moment: datetime) -> int:
        """The index of a moment, which is put among the others if it is not there."""
        at = bisect_left(self._moments, moment)
        if at == len(self._moments) or self._moments[at] != moment:
            self._moments.insert(at, moment)
            self._levels.insert(at, self._levels[at - 1] if at else 0)
        return at


class Supply:
    """The free capacity of some locked nodes and of leases on them: read once, then kept in memory.

    `hold()` takes from it, or raises and takes nothing; `write()` writes all that was taken, in one
    statement.
    """

    def __init__(
        self, *, nodes: Iterable[LockedNode], lease_ids: Collection[int] = (), now: datetime
    ) -> None:
        self.nodes = {node.pk: node for node in nodes}
        self.now = now
        self.leases: dict[int, Lease] = {}
        if lease_ids:
            self.leases = Lease.objects.select_for_update().filter(pk__in=lease_ids).order_by("pk").in_bulk()
        self._taken: dict[tuple[int, int | None], Taken] = defaultdict(Taken)
        self._new: list[HoldRow] = []
        self._read()

    def free(self, *, node_id: int, start: datetime, end: datetime, lease_id: int | None = None) -> int:
        """GPUs that are free over the whole of [start, end)."""
        whole = self.nodes[node_id].gpus if lease_id is None else self.leases[lease_id].gpus
        return max(0, whole - self._taken[node_id, lease_id].peak(start, end))

    def hold(
        self,
        *,
        account: Account,
        product_id: int,
        node_id: int,
        lease_id: int | None = None,
        gpus: int,
        start: datetime,
        end: datetime,
        cause: str,
    ) -> None:
        """Hold GPUs for a sell order of `account`: of the account's own node, or of a lease that it holds on
        the node.

        Raises: NodeNotFound, NodeNotTradable, LeaseNotFound, WindowOutsideLease, CapacityTaken.
        """
        node = self.nodes.get(node_id)
        if node is None:
            raise NodeNotFound
        if lease_id is None:
            if node.provider.namespace_id != account.namespace_id or account.kind != Account.Kind.MAIN:
                raise NodeNotFound
        else:
            self._require_lease(lease_id, account, node, product_id, start, end)
        self._require_tradable(node, product_id)
        free = self.free(node_id=node_id, lease_id=lease_id, start=start, end=end)
        if gpus > free:
            whole = node.gpus if lease_id is None else self.leases[lease_id].gpus
            raise CapacityTaken(free=free, gpus=whole)
        self._taken[node_id, lease_id].add(start, end, gpus)
        self._new.append(
            HoldRow(
                node_id=node_id,
                lease_number=lease_id,
                gpus=gpus,
                starts_at=start,
                ends_at=end,
                cause=cause,
                created_at=self.now,
            )
        )

    def write(self) -> None:
        """Write the holds taken since the last `write()`."""
        bulk_sql.add_rows(GpuHold, self._new)
        self._new = []

    def _require_lease(
        self, lease_id: int, account: Account, node: Node, product_id: int, start: datetime, end: datetime
    ) -> None:
        lease = self.leases.get(lease_id)
        if lease is None or lease.holder_id != account.pk or lease.product_id != product_id:
            raise LeaseNotFound
        first = max(lease.starts_at, clock.floor_minute(self.now))
        if not lease.is_live or lease.node_id != node.pk or start < first or end > lease.ends_at:
            raise WindowOutsideLease

    def _require_tradable(self, node: Node, product_id: int) -> None:
        if node.product_id != product_id:
            raise NodeNotTradable(node=node.name, reason="it has another product")
        if node.lacks_bond:
            bond = bond_of(node.provider)
            needed, posted = credits_of(bond.needed_micros), credits_of(bond.posted_micros)
            reason = f"declared hardware needs a bond of {needed} credits, and {posted} are posted"
            raise NodeNotTradable(node=node.name, reason=reason)
        if not node.is_tradable(self.now):
            reason = node.state_reason or (
                "its agent is silent" if node.state == Node.State.READY else f"it is {node.state}"
            )
            raise NodeNotTradable(node=node.name, reason=reason)

    def _read(self) -> None:
        holds = GpuHold.objects.open().filter(node_id__in=self.nodes, ends_at__gt=self.now)
        # One row a window, however many orders hold GPUs in it.
        windows = holds.order_by().values_list("node_id", "lease_number", "starts_at", "ends_at")
        for node_id, lease_id, start, end, gpus in windows.annotate(taken=Sum("gpus")):
            self._taken[node_id, lease_id].add(start, end, gpus)
        leases = Lease.objects.live().filter(node_id__in=self.nodes, ends_at__gt=self.now)
        for place, stretch in unheld(leases):
            self._taken[place].add(*stretch)
        for place, stretch in given_back(Lease.objects.filter(node_id__in=self.nodes), now=self.now):
            self._taken[place].add(*stretch)


def given_back(leases: QuerySet[Lease], *, now: datetime) -> Iterator[tuple[tuple[int, int | None], Stretch]]:
    """Capacity that open holds count as sold although it is free again, as stretches with a negative number
    of GPUs.

    A hold counts all that its order has sold; a lease that ended early no longer needs its part.
    """
    cut = leases.filter(ends_at__lt=F("agreed_end_at"), agreed_end_at__gt=now)
    is_open = Q(hold__isnull=False, hold__released_at__isnull=True)
    for part in _parts_of(cut, is_open):
        yield (part.node_id, part.parent_id), (part.ends_at, part.agreed_end_at, -part.gpus)


def unheld(leases: QuerySet[Lease]) -> Iterator[tuple[tuple[int, int | None], Stretch]]:
    """The capacity of leases that no open hold counts: ((node, lease it was sold from), stretch).

    A lease with several fills may belong to several holds, some of which may have ended.
    """
    released = Q(hold__isnull=True) | Q(hold__released_at__isnull=False)
    for part in _parts_of(leases, released):
        yield (part.node_id, part.parent_id), (part.starts_at, part.ends_at, part.gpus)


class _Part(NamedTuple):
    """GPUs of a lease that lean on one hold: those of its first fill, or of a fill that joined it."""

    node_id: int
    parent_id: int | None
    starts_at: datetime
    ends_at: datetime
    agreed_end_at: datetime
    gpus: int


def _parts_of(leases: QuerySet[Lease], condition: Q) -> Iterator[_Part]:
    """The parts of leases whose `hold` meets a condition, without their models: there may be thousands."""
    names = ("node_id", "parent_id", "starts_at", "ends_at", "agreed_end_at")
    own = leases.filter(condition).annotate(own_gpus=F("gpus") - F("joined_gpus"))
    joined = JoinedFill.objects.filter(condition, lease__in=leases)
    yield from map(_Part._make, own.values_list(*names, "own_gpus"))
    yield from map(_Part._make, joined.values_list(*(f"lease__{name}" for name in names), "gpus"))


def find_holds(*, causes: Collection[str]) -> dict[str, int]:
    """The ids of holds, given back or not, by what they are for."""
    if not causes:
        return {}
    sql = f"SELECT cause, id FROM {bulk_sql.table_of(GpuHold)} WHERE cause IN ({bulk_sql.listed_sql('text')})"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [bulk_sql.as_list(causes)])
        return dict(cursor.fetchall())


def release(*, hold_ids: Iterable[int], now: datetime) -> bulk_sql.WriteResult:
    """Give back what finished sell orders held. Safe to do twice."""
    keys = [bulk_sql.Key(hold_id) for hold_id in hold_ids]
    return bulk_sql.update_rows(GpuHold, keys, same={"released_at": now}, where="released_at IS NULL")


def resize(*, supply: Supply, cause: str, gpus: int) -> GpuHold:
    """Let a hold have another number of GPUs: fewer always, more if they are free.

    Raises: CapacityTaken, NodeNotFound (there is no such open hold on the supply's nodes).
    """
    hold = GpuHold.objects.open().filter(cause=cause, node_id__in=supply.nodes).first()
    if hold is None:
        raise NodeNotFound
    more = gpus - hold.gpus
    if more > 0:
        lease_id = hold.lease_number
        if lease_id is not None and lease_id not in supply.leases:
            raise LeaseNotFound
        free = supply.free(node_id=hold.node_id, lease_id=lease_id, start=hold.starts_at, end=hold.ends_at)
        if more > free:
            raise CapacityTaken(free=free, gpus=supply.nodes[hold.node_id].gpus)
    hold.gpus = gpus
    hold.save(update_fields=["gpus"])
    return hold
