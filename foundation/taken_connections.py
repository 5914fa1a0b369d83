"""Taking over a connection: the protocol between the web server and its views. Needs no Django.

The server offers the connection of each request in the WSGI environment. A view that takes it (event streams,
tunnels) owns it from then on, and what it returns as a response is not sent.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

KEY = "bazaar.take_connection"


@dataclass(frozen=True, slots=True)
class TakenConnection:
    """A connection that the server has given up.

    `socket` is in blocking mode, without a timeout; the owner closes it. `unread` are bytes that the server
    had received after the request's head and that nobody has read through `wsgi.input`: the beginning of the
    body, or what the client sent ahead in its new protocol.
    """

    socket: socket.socket
    unread: bytes


# Raises RuntimeError when the body of the request has been read in part, or decoded.
Take = Callable[[], TakenConnection]


def offer(environ: MutableMapping[str, Any], take: Take) -> None:
    """For the server: let the view of this request take its connection."""
    environ[KEY] = take


def offered(environ: Mapping[str, Any]) -> Take | None:
    """For a view: how to take the connection; None where the server keeps its connections."""
    take: Take | None = environ.get(KEY)
    return take
