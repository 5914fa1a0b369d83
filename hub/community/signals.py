"""Facts this room announces. Sent inside the transaction that makes them true."""

from django.dispatch import Signal

discussion_opened = Signal()  # discussion, event (the first comment), actor
discussion_changed = Signal()  # discussion, event (status, title or commit), actor
comment_written = Signal()  # discussion, event, actor
comment_changed = Signal()  # discussion, event (edited or hidden), actor
repository_liked = Signal()  # repository, user
