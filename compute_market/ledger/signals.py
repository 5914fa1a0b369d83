"""Facts that this room announces, inside the transaction in which they become true."""

from django.dispatch import Signal

# Arguments: namespace_id, now. Money was put into the bond of a namespace, or taken out of it, by a use case.
bond_moved = Signal()
