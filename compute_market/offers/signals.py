"""Facts that this room announces, inside the transaction in which they become true."""

from django.dispatch import Signal

# Arguments: node_id, product_id, shard (a number), now.
node_went_stale = Signal()
node_returned = Signal()
# Arguments: node_id, product_id, shard, reason, now. It may not be offered until its report is accepted.
node_suspended = Signal()
# Arguments: node_id, shard, now. Its provider took it out of the market for good.
node_retired = Signal()
# Arguments: product_id, shard, now. A product was listed, or its terms or its state were changed.
product_changed = Signal()
