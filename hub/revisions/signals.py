"""Facts this room announces. Sent inside the transaction that makes them true."""

from django.dispatch import Signal

revision_committed = Signal()  # repository, ref, old (sha or None), new (sha or None), actor
revision_indexed = Signal()  # repository, facts (hub.revisions.indexing.Facts)
