"""Gunicorn's threaded worker, with one addition: a view may take its connection from the server.

An event stream or a tunnel lasts for hours. If it held a thread of the worker's pool, some dozens of them
would stop the server. So such a view calls `environ["bazaar.take_connection"]()`, gets the socket, and its
new owner reads and writes from then on (`compute_market.api.streams` serves all event streams of a process
from one thread). The worker forgets the connection without shutting it down.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from bazaar.server.http.taken import TakenConnection

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_taken: set[int] = set()
_lock = threading.Lock()
_thread = threading.local()  # `connection`: the one whose request this thread answers


class Worker(ThreadWorker):
    """`worker_class = "bazaar.server.worker.Worker"`."""

    def handle_request(self, req: Request, conn: TConn) -> bool:
        _thread.connection = conn
        try:
            return bool(super().handle_request(req, conn))
        finally:
            del _thread.connection

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


def letting_connections_go(application: WsgiApplication) -> WsgiApplication:
    """Wrap the application: a request that came in by our worker can take its connection."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection: TConn | None = getattr(_thread, "connection", None)
        if connection is None or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
            return application(environ, start_response)
        is_taken = False

        def take_connection() -> TakenConnection:
            """The connection, for good; the view's own response is not sent."""
            nonlocal is_taken
            with _lock:
                _taken.add(id(connection.sock))
            is_taken = True
            copy = socket.socket(fileno=os.dup(connection.sock.fileno()))
            copy.setblocking(True)
            parser = connection.parser
            assert isinstance(parser, RequestParser)
            return TakenConnection(copy, parser.unreader.take_buffered())

        environ["bazaar.take_connection"] = take_connection
        response = application(environ, start_response)
        if is_taken:
            if hasattr(response, "close"):
                response.close()
            # The worker takes this for "the connection ends here" and writes nothing.
            raise StopIteration("the connection has been taken")
        return response

    return wrapped
