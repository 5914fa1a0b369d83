"""Tunnels in a thread of the test's own process, an agent's ends, and a server that stands for a work."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from compute_market.runners.targets import Target, tcp_target
from compute_market.runners.tunnels import TunnelEnds
from compute_market.tunnels.grants import Grant, Ticket, key_from, ticket_secret
from compute_market.tunnels.handover import Handover, Sender
from compute_market.tunnels.server import Configuration, Tunnels
from tests.clock import moment
from tests.waiting import until

KEY = key_from("a secret of this test alone, forty characters")
HOUR = 3600.0
T = TypeVar("T")


class Hub:
    """The tunnels' process as a thread. `url` is its own listener's address."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = int(self.listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.socket_path = folder / "tunnels.sock"
        self.told = Configuration(
            socket_path=self.socket_path,
            key=KEY,
            redis_url="unix:///nowhere/redis.sock",
            redis_prefix="test",
            listener=self.listener,
            leases_url=f"http://localhost:{self.port}",
            hub_url="http://hub.example.org",
            web_url="http://127.0.0.1:1",
        )
        self.tunnels: Tunnels
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        async def serve() -> None:
            self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
            self.tunnels = Tunnels(self.told)
            serving = asyncio.ensure_future(self.tunnels.run(self._over))
            self._loop.call_later(0, self._tell_ready)
            await serving

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    def _tell_ready(self) -> None:
        if self.socket_path.exists():
            self._ready.set()
        else:
            self._loop.call_later(0.01, self._tell_ready)

    def tell(self, call: Callable[[], T]) -> T:
        """Call something in the tunnels' own thread."""
        done: list[T] = []
        said = threading.Event()

        def run() -> None:
            done.append(call())
            said.set()

        self._loop.call_soon_threadsafe(run)
        assert said.wait(20)
        return done[0]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)

    # ---- agents and visitors ---------------------------------------------------------------------

    def agent(
        self, targets: dict[str, Target], *, lease: int = 17, work: str = "work-17", until: float = HOUR
    ) -> TunnelEnds:
        """An agent that serves these ports, once its spare connections wait."""
        ends = TunnelEnds(self.url, say=print)
        word = ticket(lease=lease, work=work, ports=[*targets], until=until)
        ends.serve(work, ticket=word, secret=ticket_secret(KEY, word), until=until, targets=targets)
        self.wait_for_spares(work)
        return ends

    def wait_for_spares(self, work: str = "work-17", count: int = 4) -> None:
        def has() -> bool:
            found = self.tunnels.works.by_token.get(work)
            return found is not None and len(found.spares) >= count

        until(lambda: self.tell(has))

    def get(
        self, path: str, *, lease: int = 17, port: str = "web", grant: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """A visit at the port's own address, with a grant for it in the cookie."""
        word = Grant(lease, port, moment().timestamp() + HOUR).signed(KEY) if grant is None else grant
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Host": f"{lease}--{port}.localhost:{self.port}", "Cookie": f"bazaar-grant={word}"}
        with contextlib.closing(connection):
            connection.request("GET", path, headers=given | headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def pipe(self, *, lease: int = 17, port: str = "web", key: bytes = KEY) -> socket.socket:
        """Bytes both ways, as another process of the hub asks for them."""
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        Sender(self.socket_path, key).send(theirs, Handover(kind="raw", lease=lease, port=port))
        return ours


class EchoServer:
    """Answers a line with that line and closes; counts what it served."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = int(self.listener.getsockname()[1])
        self.served = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                self.served += 1
                connection.sendall(line)
                if line == b"bye\n":
                    return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def ticket(
    *,
    lease: int = 17,
    work: str = "work-17",
    ports: list[str],
    until: float = HOUR,
    expires: float = 600,
    key: bytes = KEY,
    issued: float = 0,
) -> str:
    now = moment().timestamp()
    return Ticket(
        lease=lease,
        work=work,
        ports=tuple((port, "web" if place == 0 else "") for place, port in enumerate(ports)),
        until=now + until,
        issued=now + issued,
        expires=now + expires,
    ).signed(key)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def hub(tmp_path: Path, stack: ExitStack) -> Hub:
    hub = Hub(tmp_path)
    stack.callback(hub.close)
    return hub


@pytest.fixture
def echo(stack: ExitStack) -> EchoServer:
    server = EchoServer()
    stack.callback(server.close)
    return server


@pytest.fixture
def agent(hub: Hub, echo: EchoServer, stack: ExitStack) -> TunnelEnds:
    """An agent that serves the echo server as `web`."""
    ends = hub.agent({str(echo.port): tcp_target(echo.port)})
    stack.callback(ends.close)
    return ends
