"""`ENGINE = "bazaar.postgresql"`: every request begins with a look at its thread's connection.

Django's own look is a statement to the server and back, which costs as much as most requests' real work
there. A server that restarts or ends a session says so at once, and an idle session has nothing else to say:
so the socket knows. Only a network that has forgotten the connection, or a server that lost its power, says
nothing: after a pause the statement is sent all the same.
"""

from __future__ import annotations

import math
import select
import time

from django.db.backends.postgresql import base

from bazaar.postgresql.schema import SchemaEditor

TRUSTED_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose health is checked at its socket first."""

    SchemaEditorClass = SchemaEditor

    _looked_at = -math.inf

    def is_usable(self) -> bool:
        """True if the server still holds the session. Asks the server after a pause, or if it has sent
        something.
        """
        connection = self.connection
        was_looked_at, self._looked_at = self._looked_at, time.monotonic()
        if connection is None or connection.closed:
            return False
        if self._looked_at - was_looked_at > TRUSTED_SECONDS:
            return super().is_usable()
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN | select.POLLHUP)
        # New settings and notices arrive unasked as well as a farewell does.
        return not waiting.poll(0) or super().is_usable()
