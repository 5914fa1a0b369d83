"""Facts that this room announces."""

from django.dispatch import Signal

# After the commit of a drained batch. Arguments: shard (a number), trades (how many), now.
shard_drained = Signal()
