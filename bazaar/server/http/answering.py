"""The work of a thread on one request: it runs the application and sends its response."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from bazaar.server.http import environ, responses
from bazaar.server.http.connections import Connection, Patience
from bazaar.server.http.heads import BadRequest
from bazaar.server.http.limits import Limits
from bazaar.server.http.requests import Request
from bazaar.server.http.responses import Response
from bazaar.server.http.sender import GiveBack, Sender
from foundation import taken_connections
from foundation.taken_connections import TakenConnection

log = logging.getLogger(__name__)

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# The client has disconnected: there is nobody to answer, and nothing to log.
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT})


class Answering:
    """`give_back(connection, keeps_alive=…)` and `let_go(connection)` return a connection to the loop."""

    def __init__(
        self,
        application: WsgiApplication,
        limits: Limits,
        patience: Patience,
        sender: Sender,
        give_back: GiveBack,
        let_go: Callable[[Connection], None],
    ) -> None:
        self.application, self.limits, self.patience = application, limits, patience
        self.sender, self.give_back, self.let_go = sender, give_back, let_go
        # True while the server is drained: each response says that its connection ends.
        self.closes_connections = False

    def task(self, connection: Connection, request: Request) -> Callable[[], None]:
        """Returns the callable that a thread runs for this request."""
        return partial(self._answer, connection, request)

    def _answer(self, connection: Connection, request: Request) -> None:
        response = Response(connection, request, self.patience, self.sender)
        response.keeps_alive = response.keeps_alive and not self.closes_connections
        try:
            self._run(connection, request, response)
        except BadRequest as refusal:
            self._say(response, refusal.status, refusal.reason)
        except OSError as error:
            if error.errno in _GONE or isinstance(error, ConnectionError):
                response.keeps_alive = False
                if request.failure is not None:
                    self._say(response, request.failure.status, request.failure.reason)
            else:
                log.exception("response_failed")
                self._say(response, HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed.")
        except BaseException:
            # This includes exceptions that are meant to end a thread: without a response the connection would
            # stay open.
            log.exception("request_failed")
            self._say(response, HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed.")
        if not response.is_handed_over and not connection.is_taken:
            self.give_back(connection, keeps_alive=response.settled())

    def _run(self, connection: Connection, request: Request, response: Response) -> None:
        body = request.open(connection, self.patience)
        env = environ.build(connection, request.head, body, self.limits)
        taken_connections.offer(env, partial(self._take, connection, request, env))
        result = self.application(env, response.start)
        try:
            if not connection.is_taken:
                response.send(result)
        finally:
            if hasattr(result, "close"):
                result.close()

    def _take(self, connection: Connection, request: Request, env: dict[str, Any]) -> TakenConnection:
        """Give the connection to the view, for good; what it returns as a response is not sent.

        Raises: RuntimeError when its body has been read in part, or decoded.
        """
        if request.is_begun or (request.decoder is not None and request.ahead):
            raise RuntimeError("The connection of a request is taken before its body is read.")
        ahead = env["wsgi.input"].read() if request.is_complete else bytes(request.ahead)
        unread = ahead + bytes(connection.buffer)
        released = connection.release()
        self.let_go(connection)
        return TakenConnection(released, unread)

    def _say(self, response: Response, status: HTTPStatus, reason: str) -> None:
        """Answer in the application's stead, if nothing has been sent; the connection then ends."""
        response.keeps_alive = False
        if not response.is_head_sent and not response.connection.is_taken:
            with contextlib.suppress(OSError):
                self.patience.send(response.connection, [responses.plain(status, reason)])
