"""`ENGINE = "bazaar.postgresql"`: every request begins with a look at its thread's connection.

Django's own look is a statement to the server and back, which costs as much as most requests' real work
there. A server that restarts or ends a session says so at once, and an idle session has nothing else to say:
so the socket knows.
"""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose health is asked of its socket first."""

    def is_usable(self) -> bool:
        """Whether the server still holds the session; asks it only if it has sent something unasked."""
        connection = self.connection
        if connection is None or connection.closed:
            return False
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN | select.POLLHUP)
        # New settings and notices arrive unasked as well as a farewell does.
        return not waiting.poll(0) or super().is_usable()
