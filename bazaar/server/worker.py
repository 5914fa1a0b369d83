"""Gunicorn's threaded worker, with one addition: a view may keep the connection for itself.

A stream of events lasts for hours. Held by a thread of the worker's pool, some dozens of them would
stop the server. So a view that streams calls `environ["bazaar.take_socket"]()`, gets the connection's
socket, and from then on whoever has it writes to it (`compute_market.api.streams` serves all of a
process from one thread). The worker forgets the connection without shutting it down.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_taken: set[int] = set()
_lock = threading.Lock()


class Worker(ThreadWorker):
    """`worker_class = "bazaar.server.worker.Worker"`."""

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Leave connections alone that a view has taken: closing one end of a dup sends nothing."""
        with _lock:
            was_taken = id(conn.sock) in _taken
            _taken.discard(id(conn.sock))
        if not was_taken:
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        conn.sock.close()


def letting_sockets_go(application: WsgiApplication) -> WsgiApplication:
    """Wrap the application: requests that come in by our worker can give their socket away."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        if connection is None or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
            return application(environ, start_response)
        given: list[socket.socket] = []

        def take_socket() -> socket.socket:
            """The connection, for good; the view's own response is not sent."""
            with _lock:
                _taken.add(id(connection))
            copy = socket.socket(fileno=os.dup(connection.fileno()))
            given.append(copy)
            return copy

        environ["bazaar.take_socket"] = take_socket
        response = application(environ, start_response)
        if given:
            if hasattr(response, "close"):
                response.close()
            # The worker takes this for "the connection ends here" and writes nothing.
            raise StopIteration("the socket has been given away")
        return response

    return wrapped
