"""Facts this room announces. Sent inside the transaction that makes them true."""

from django.dispatch import Signal

repository_created = Signal()  # repository, actor
repository_moved = Signal()  # repository, old_id, actor
repository_changed = Signal()  # repository, actor: visibility, gating, archive, description
repository_deleted = Signal()  # repository, actor
repository_restored = Signal()  # repository, actor
access_requested = Signal()  # access_request
access_request_handled = Signal()  # access_request, actor
