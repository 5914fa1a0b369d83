"""Facts that this room announces, inside the transaction in which they become true."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.dispatch import Signal

if TYPE_CHECKING:
    from compute_market.offers.models import Node

# Facts of a node. Arguments: node_id, product_id, shard (a number), reason (its state's), now.
# It is ready and was heard for the first time: it may be offered from now on.
node_arrived = Signal()
node_went_stale = Signal()
node_returned = Signal()
# It may not be offered until its report is accepted.
node_suspended = Signal()
# It is declared, and its provider's bond is smaller than declared hardware needs.
node_bond_fell_short = Signal()
# Its provider took it out of the market for good.
node_retired = Signal()
# Arguments: product_id, shard, now. A product was listed, or its terms or its state were changed.
product_changed = Signal()

Fact = tuple[Signal, "Node"]


def announce(facts: Iterable[Fact], *, now: datetime) -> None:
    """Announce facts of locked nodes by ascending shard, the order in which command logs are locked.

    Facts of one shard are announced in the order given. It is the last that a transaction does.
    """
    for signal, node in sorted(facts, key=lambda fact: fact[1].product.shard_id):
        signal.send(
            sender=type(node),
            node_id=node.pk,
            product_id=node.product_id,
            shard=node.product.shard_id,
            reason=node.state_reason,
            now=now,
        )
