"""The process: connections that the web server hands over, and those that come to a listener of its own.

Both kinds end in the same places: an agent that waits for streams or for wake-ups, a visit of a port by
HTTP, a pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_market.tunnels import agents, handover, heads
from compute_market.tunnels.doors import Door
from compute_market.tunnels.ends import End, EndClosed, OpenEnds, TooLong, adopt
from compute_market.tunnels.handover import Handover
from compute_market.tunnels.heads import BadHead, PortAddress, Request
from compute_market.tunnels.hub_messages import HubMessages
from compute_market.tunnels.nodes import NODE_PING_SECONDS, Nodes
from compute_market.tunnels.visits import Visitor, refusal_bytes
from compute_market.tunnels.works import PING_SECONDS, NotServed, Works

AGENT_PATH = "/api/market/v1/agent/tunnel"
PIPE_PROTOCOL = "bazaar-tcp/1"
HEAD_SECONDS = 30.0
IDLE_SECONDS = 75.0
BACKLOG = 4096
TICK_SECONDS = 1.0
# Closed connections get their end before the process ends.
CLOSING_SECONDS = 0.05
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of the process. `listener`: a bound socket for visitors and agents, or None.

    `leases_url` is the address whose subdomains are leases' ports; `hub_url` is the hub's for browsers and
    `web_url` the one at which this process asks it.
    """

    socket_path: Path
    key: bytes
    redis_url: str
    redis_prefix: str
    listener: socket.socket | None
    leases_url: str
    hub_url: str
    web_url: str


class Tunnels:
    """See the module."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.key = configuration.key
        self.works = Works()
        self.nodes = Nodes()
        self.messages = HubMessages(
            self.works, self.nodes, url=configuration.redis_url, prefix=configuration.redis_prefix
        )
        self.door = Door(configuration)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._open = OpenEnds()

    async def run(self, over: asyncio.Event) -> None:
        """Serve until `over` is set."""
        loop = asyncio.get_running_loop()
        given = self._listen_for_handovers()
        server = None
        if self.configuration.listener is not None:
            server = await loop.create_server(
                lambda: _Arrival(self._visitors, self._open),
                sock=self.configuration.listener,
                backlog=BACKLOG,
            )
        for forever in (self.messages.listen(), self.messages.publish(), self._tick()):
            self.spawn(forever)
        await over.wait()
        loop.remove_reader(given)
        given.close()
        if server is not None:
            server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.works.close_all()
        self.nodes.close_all()
        for end in [*self._open]:
            end.abort()
        await asyncio.sleep(CLOSING_SECONDS)
        await self.messages.flush({})
        await self.messages.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something in the background; its failure is logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("tunnel_task_failed", exc_info=error)

    async def _tick(self) -> None:
        pinged = nodes_pinged = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.works.close_overdue()
            now = time.monotonic()
            if now - pinged >= PING_SECONDS:
                pinged = now
                self.works.ping()
            if now - nodes_pinged >= NODE_PING_SECONDS:
                nodes_pinged = now
                self.nodes.ping()

    # ---- handovers -------------------------------------------------------------------------------

    def _listen_for_handovers(self) -> socket.socket:
        path = self.configuration.socket_path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                end, _ = listener.accept()
                self.spawn(self._receive(end))

    async def _receive(self, sender: socket.socket) -> None:
        """One sender, one message."""
        loop = asyncio.get_running_loop()
        sender.setblocking(False)
        arrived = asyncio.Event()
        loop.add_reader(sender, arrived.set)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                await arrived.wait()
            given = handover.receive(self.key, sender)
        except (TimeoutError, OSError, ValueError):
            return
        finally:
            loop.remove_reader(sender)
            sender.close()
        if given is not None:
            what, unread, connection = given
            await self._serve(what, await adopt(connection, unread, among=self._open))

    async def _serve(self, what: Handover, end: End) -> None:
        """Apply decisions that were made in other processes."""
        request = Request(what.method, what.target, what.headers, is_last=True)
        if what.kind == "agent":
            await agents.greet(end, request, works=self.works, key=self.key)
            return
        if what.kind == "node":
            await self.nodes.keep(what.node, end)
            return
        if what.kind == "visit":
            place = _place(request, prefix=what.prefix, scheme="http")
            await self._visit(end, request, place, what.lease, what.port)
            return
        await self._pipe(end, request, what)

    async def _pipe(self, end: End, request: Request, what: Handover) -> None:
        """Bytes both ways; behind an upgrade, or at once."""
        try:
            work, _key = self.works.find(what.lease, what.port)
            other = await self.works.take(what.lease, what.port)
        except NotServed as refusal:
            if what.kind == "pipe":
                end.write(refusal_bytes(request, refusal, is_last=True))
            end.close()
            return
        except asyncio.CancelledError:
            end.abort()
            raise
        if what.kind == "pipe":
            answer = [("connection", "upgrade"), ("upgrade", PIPE_PROTOCOL)]
            end.write(heads.render("HTTP/1.1 101 Switching Protocols", answer))

        def count(size: int) -> None:
            work.bytes_in += size

        end.on_bytes = count
        await end.join(other)

    async def _visit(self, end: End, request: Request, place: PortAddress, lease: int, port: str) -> None:
        visitor = Visitor(self.works, end)
        try:
            await visitor.pass_on(request, place, lease=lease, port=port)
        except EndClosed:
            pass
        finally:
            visitor.leave()
            end.close()

    # ---- the listener ----------------------------------------------------------------------------

    def _visitors(self, end: End) -> None:
        self.spawn(self._serve_visitor(end))

    async def _serve_visitor(self, end: End) -> None:
        """One connection: an agent's, or a visitor's with as many requests as it likes."""
        visitor = Visitor(self.works, end)
        is_kept = False
        try:
            patience = HEAD_SECONDS
            while True:
                async with asyncio.timeout(patience):
                    request = await heads.read_request(end)
                patience = IDLE_SECONDS
                if request.target.partition("?")[0] == AGENT_PATH:
                    is_kept = await agents.greet(end, request, works=self.works, key=self.key)
                    return
                if not await self._visited(visitor, end, request):
                    return
        except (BadHead, TooLong):
            end.write(
                refusal_bytes(
                    Request("GET", "/", []),
                    NotServed(400, "bad_request", "This is no request."),
                    is_last=True,
                )
            )
        except (EndClosed, TimeoutError):
            pass
        finally:
            visitor.leave()
            if not is_kept:
                end.close()

    async def _visited(self, visitor: Visitor, end: End, request: Request) -> bool:
        """Answer one request. True: the next may come."""
        try:
            admitted = await self.door.admit(request)
        except NotServed as refusal:
            is_last = request.is_last or heads.body_length(request.headers) not in {None, 0}
            end.write(refusal_bytes(request, refusal, is_last=is_last))
            return not is_last
        if isinstance(admitted, bytes):
            end.write(admitted)
            return not request.is_last
        place = _place(request, prefix=admitted.prefix, scheme=self.door.scheme)
        return await visitor.pass_on(request, place, lease=admitted.lease, port=admitted.port)


class _Arrival(End):
    """An end that tells of itself once it is connected."""

    def __init__(self, arrived: Callable[[End], None], among: OpenEnds) -> None:
        super().__init__(among)
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._arrived(self)


def _place(request: Request, *, prefix: str, scheme: str) -> PortAddress:
    return PortAddress(
        prefix=prefix,
        host=heads.value(request.headers, "host"),
        scheme=heads.value(request.headers, "x-forwarded-proto") or scheme,
        client=heads.value(request.headers, "x-forwarded-for").rpartition(",")[2].strip(),
    )


def raise_file_limit() -> None:
    """As many open connections as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
