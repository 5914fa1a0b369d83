"""Facts this room announces. Sent inside the transaction that makes them true."""

from django.dispatch import Signal

namespace_created = Signal()  # namespace, creator (User or None)
namespace_renamed = Signal()  # namespace, old_name
