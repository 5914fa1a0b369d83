"""Facts that this room announces, inside the transaction in which they become true."""

from django.dispatch import Signal

# Arguments: lease_ids (a list), starts_at (the earliest of them), now.
leases_opened = Signal()
# A lease has another state. Arguments: lease_id, node_id, state, now.
lease_moved = Signal()
# A work was requested, runs, or has ended. Arguments: work_id, lease_id, state, now.
work_moved = Signal()
