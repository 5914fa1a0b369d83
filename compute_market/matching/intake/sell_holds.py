"""The node or the lease that a sell names, and the GPUs that the sell holds there (rule M10).

A hold is taken when a sell is accepted and given back when the order is finished. GPUs that were sold are
held by their leases from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from compute_market.leases import capacity
from compute_market.leases.errors import LeaseNotFound
from compute_market.leases.models import Lease
from compute_market.ledger import postings as ledger
from compute_market.matching.holds import cause_of
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order


class Sources:
    """The nodes and leases that a bulk of sells offers, locked; and the holds it takes there."""

    def __init__(
        self, *, account: ledger.LockedAccount, requests: Sequence[OrderRequest], now: datetime
    ) -> None:
        self._account = account
        lease_ids = {request.lease_id for request in requests if request.lease_id is not None}
        self._leases: dict[int, Lease] = Lease.objects.in_bulk(lease_ids) if lease_ids else {}
        node_ids = {request.node_id for request in requests if request.node_id is not None}
        node_ids |= {lease.node_id for lease in self._leases.values()}
        self._supply: capacity.Supply | None = None
        if node_ids:
            nodes = capacity.lock_nodes(ids=node_ids)
            self._supply = capacity.Supply(nodes=nodes.values(), lease_ids=lease_ids, now=now)

    def lease_of(self, request: OrderRequest) -> Lease | None:
        """The lease that a sell comes from, if it names one. Raises: LeaseNotFound."""
        if request.lease_id is None:
            return None
        lease = self._leases.get(request.lease_id)
        if lease is None or lease.holder_id != self._account.pk:
            raise LeaseNotFound
        return lease

    def node_of(self, request: OrderRequest) -> int | None:
        """The node that a sell comes from. Raises: LeaseNotFound."""
        lease = self.lease_of(request)
        return request.node_id if lease is None else lease.node_id

    def hold(self, order: Order) -> None:
        """Hold the GPUs of a sell. Raises: what `capacity.Supply.hold` raises."""
        if self._supply is None or order.node_id is None:
            raise RuntimeError("A sell without a source got past its check.")
        self._supply.hold(
            account=self._account,
            product_id=order.product_id,
            node_id=order.node_id,
            lease_id=order.lease_id,
            gpus=order.gpus,
            start=order.start,
            end=order.end,
            cause=cause_of(account_id=order.account_id, client_order_id=order.client_order_id),
        )

    def write(self) -> None:
        """Write the holds."""
        if self._supply is not None:
            self._supply.write()


def enlarge(*, order: Order, gpus: int, now: datetime) -> None:
    """Hold more GPUs for a sell that is to be amended; never fewer. Raises: CapacityTaken, NodeNotFound."""
    if gpus <= order.gpus or order.node_id is None:
        return
    lease_ids = [] if order.lease_id is None else [order.lease_id]
    nodes = capacity.lock_nodes(ids=[order.node_id])
    held = capacity.Supply(nodes=nodes.values(), lease_ids=lease_ids, now=now)
    cause = cause_of(account_id=order.account_id, client_order_id=order.client_order_id)
    capacity.resize(supply=held, cause=cause, gpus=gpus)
