"""How many GPUs of a node, or of a lease that is sold back, are still free over a window.

A sell order holds GPUs from its acceptance to its end (`GpuHold`); what it sold is part of its hold until
then, and stands for itself, as leases, afterwards. So the drain of a shard touches no capacity at all.
Everything here runs under the lock of the node, which comes after accounts' and before orders' and leases'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NewType

from django.db.models import F, Q, QuerySet

from compute_market import clock, rows
from compute_market.amounts import credits_of
from compute_market.leases.errors import CapacityTaken, LeaseNotFound, WindowOutsideLease
from compute_market.leases.models import JoinedFill, Lease
from compute_market.ledger.models import Account
from compute_market.offers.bonds import bond_of
from compute_market.offers.errors import NodeNotFound, NodeNotTradable
from compute_market.offers.models import GpuHold, Node
from hub.interface import prepared_cursor

LockedNode = NewType("LockedNode", Node)
"""A node whose row this transaction holds; made only by `lock_nodes()`."""

HOLD_COLUMNS = ("node", "lease_number", "gpus", "starts_at", "ends_at", "cause", "created_at")
Stretch = tuple[datetime, datetime, int]
"""From when, until when, how many GPUs are taken."""


def lock_nodes(*, ids: Collection[int]) -> dict[int, LockedNode]:
    """Lock nodes by ascending id; those that do not exist are left out."""
    found = Node.objects.select_for_update(of=("self",)).select_related("provider").filter(pk__in=ids)
    return {node.pk: LockedNode(node) for node in found.order_by("pk")}


def peak(stretches: Iterable[Stretch], start: datetime, end: datetime) -> int:
    """The most GPUs taken at any one moment of [start, end)."""
    changes: dict[datetime, int] = defaultdict(int)
    for since, until, gpus in stretches:
        if since < end and until > start:
            changes[max(since, start)] += gpus
            changes[until] -= gpus
    taken = most = 0
    for moment in sorted(moment for moment in changes if moment < end):
        taken += changes[moment]
        most = max(most, taken)
    return most


class Supply:
    """What some locked nodes, and leases on them, still have to offer; read once, then kept in memory.

    `hold()` takes from it, or refuses and takes nothing; `write()` writes what was taken in one statement.
    """

    def __init__(
        self, *, nodes: Iterable[LockedNode], lease_ids: Collection[int] = (), now: datetime
    ) -> None:
        self.nodes = {node.pk: node for node in nodes}
        self.now = now
        self.leases: dict[int, Lease] = {}
        if lease_ids:
            self.leases = Lease.objects.select_for_update().filter(pk__in=lease_ids).order_by("pk").in_bulk()
        self._taken: dict[tuple[int, int | None], list[Stretch]] = defaultdict(list)
        self._new: list[tuple[object, ...]] = []
        self._read()

    def free(self, *, node_id: int, start: datetime, end: datetime, lease_id: int | None = None) -> int:
        """GPUs that are free over the whole of [start, end)."""
        whole = self.nodes[node_id].gpus if lease_id is None else self.leases[lease_id].gpus
        return max(0, whole - peak(self._taken[node_id, lease_id], start, end))

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
        """Hold GPUs for a sell order of `account`: of a node of its own, or of a lease it holds on that node.

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
        if lease_id is None and node.is_declared:
            self._require_bond(node)
        free = self.free(node_id=node_id, lease_id=lease_id, start=start, end=end)
        if gpus > free:
            whole = node.gpus if lease_id is None else self.leases[lease_id].gpus
            raise CapacityTaken(free=free, gpus=whole)
        self._taken[node_id, lease_id].append((start, end, gpus))
        self._new.append((node_id, lease_id, gpus, start, end, cause, self.now))

    def write(self) -> None:
        """Write the holds taken since the last `write()`."""
        rows.add_rows(GpuHold, HOLD_COLUMNS, self._new)
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
        if not node.is_tradable(self.now):
            reason = node.state_reason or (
                "its agent is silent" if node.state == Node.State.READY else f"it is {node.state}"
            )
            raise NodeNotTradable(node=node.name, reason=reason)

    @staticmethod
    def _require_bond(node: Node) -> None:
        bond = bond_of(node.provider)
        if not bond.suffices:
            needed, posted = credits_of(bond.needed_micros), credits_of(bond.posted_micros)
            reason = f"declared hardware needs a bond of {needed} credits, and {posted} are posted"
            raise NodeNotTradable(node=node.name, reason=reason)

    def _read(self) -> None:
        holds = GpuHold.objects.open().filter(node_id__in=self.nodes, ends_at__gt=self.now)
        for hold in holds:
            self._taken[hold.node_id, hold.lease_number].append((hold.starts_at, hold.ends_at, hold.gpus))
        leases = Lease.objects.live().filter(node_id__in=self.nodes, ends_at__gt=self.now)
        for place, stretch in unheld(leases):
            self._taken[place].append(stretch)
        for place, stretch in given_back(Lease.objects.filter(node_id__in=self.nodes), now=self.now):
            self._taken[place].append(stretch)


def given_back(leases: QuerySet[Lease], *, now: datetime) -> Iterator[tuple[tuple[int, int | None], Stretch]]:
    """What open holds stand for as sold although it is free again, as stretches of fewer than no GPUs.

    A hold stands for all that its order has sold; a lease that ended before its agreed end needs no more of
    it.
    """
    cut = leases.filter(ends_at__lt=F("agreed_end_at"), agreed_end_at__gt=now)
    is_open = Q(hold__isnull=False, hold__released_at__isnull=True)
    for lease in cut.filter(is_open):
        own = lease.gpus - lease.joined_gpus
        yield (lease.node_id, lease.parent_id), (lease.ends_at, lease.agreed_end_at, -own)
    for fill in JoinedFill.objects.select_related("lease").filter(is_open, lease__in=cut):
        lease = fill.lease
        yield (lease.node_id, lease.parent_id), (lease.ends_at, lease.agreed_end_at, -fill.gpus)


def unheld(leases: QuerySet[Lease]) -> Iterator[tuple[tuple[int, int | None], Stretch]]:
    """What leases have taken that no open hold stands for: ((node, lease it was sold from), stretch).

    A lease of several fills may lean on several holds, and on some of them no more.
    """
    released = Q(hold__isnull=True) | Q(hold__released_at__isnull=False)
    for lease in leases.filter(released):
        own = lease.gpus - lease.joined_gpus
        yield (lease.node_id, lease.parent_id), (lease.starts_at, lease.ends_at, own)
    for fill in JoinedFill.objects.select_related("lease").filter(released, lease__in=leases):
        lease = fill.lease
        yield (lease.node_id, lease.parent_id), (lease.starts_at, lease.ends_at, fill.gpus)


def find_holds(*, causes: Collection[str]) -> dict[str, int]:
    """The ids of holds, given back or not, by what they are for."""
    if not causes:
        return {}
    sql = f"SELECT cause, id FROM {rows.table_of(GpuHold)} WHERE cause IN ({rows.listed_sql('text')})"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [rows.as_list(causes)])
        return dict(cursor.fetchall())


def release(*, hold_ids: Iterable[int], now: datetime) -> rows.Written:
    """Give back what finished sell orders held. Safe to do twice."""
    keys = [(hold_id,) for hold_id in hold_ids]
    return rows.update_rows(GpuHold, (), keys, same={"released_at": now}, where="released_at IS NULL")


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
