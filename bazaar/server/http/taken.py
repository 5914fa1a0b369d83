"""The object that a view gets when it takes over its connection: `environ["bazaar.take_connection"]()`."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TakenConnection:
    """A connection that the server has given up; the view that took it owns it from then on.

    `socket` is in blocking mode, without a timeout; the owner closes it. `unread` are bytes that the server
    had received after the request's head and that nobody has read through `wsgi.input`: the beginning of the
    body, or what the client sent ahead in its new protocol.
    """

    socket: socket.socket
    unread: bytes
