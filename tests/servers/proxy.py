"""A proxy between a client and a server that can slow the traffic down: links are slower than loopback."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import pause

BLOCK_BYTES = 64 * 1024
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Exchange:
    """One request that went through, and what came back."""

    method: str
    path: str
    status: int
    sent_bytes: int
    range: str | None


@dataclass
class Proxy:
    """`before` is called with method and path ahead of each request; `bytes_per_second` slows answers.

    `cut_once_at` breaks the connection of the first answer that is longer than so many bytes. `refuse` gives
    the status with which the proxy answers itself, or 0 to pass a request on. It leaves the headers of
    requests out that `without` names (in lower case), and replaces headers of answers by those of `said`.
    """

    port: int
    log: list[Exchange] = field(default_factory=list)
    before: Callable[[str, str], object] = lambda _method, _path: None
    bytes_per_second: int = 0
    cut_once_at: int = 0
    refuse: Callable[[str, str], int] = lambda _method, _path: 0
    without: frozenset[str] = frozenset()
    said: dict[str, str] = field(default_factory=dict)

    def calm(self) -> None:
        """As at the beginning."""
        self.log.clear()
        self.before = lambda _method, _path: None
        self.bytes_per_second = self.cut_once_at = 0
        self.refuse = lambda _method, _path: 0
        self.without = frozenset()
        self.said = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def went(self, method: str, part: str) -> list[Exchange]:
        """The exchanges with this method and a path that contains this part."""
        return [done for done in list(self.log) if done.method == method and part in done.path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    upstream: str

    def handle(self) -> None:
        # Clients are killed, and give up.
        with suppress(ConnectionError):
            super().handle()

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.before(self.command, self.path)
        if status := self.proxy.refuse(self.command, self.path):
            self.send_response_only(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=300)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP | self.proxy.without:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            with connection.getresponse() as answer:
                self.proxy.log.append(
                    Exchange(self.command, self.path, answer.status, len(body), self.headers.get("Range"))
                )
                self.pass_head(answer)
                self.pass_body(answer)
        finally:
            connection.close()

    def pass_head(self, answer: http.client.HTTPResponse) -> None:
        # Of unknown length: its end is the connection's.
        self.close_connection = answer.getheader("Content-Length") is None
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, self.proxy.said.get(name, value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def pass_body(self, answer: http.client.HTTPResponse) -> None:
        passed = 0
        while data := answer.read1(BLOCK_BYTES):
            passed += len(data)
            if 0 < self.proxy.cut_once_at < passed:
                self.proxy.cut_once_at = 0
                raise ConnectionAbortedError
            if self.proxy.bytes_per_second:
                pause(len(data) / self.proxy.bytes_per_second)
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


for _method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
    setattr(_Handler, f"do_{_method}", _Handler.forward)


@contextmanager
def running(upstream: str) -> Iterator[Proxy]:
    """Run one in front of `host:port` for the block. It passes Host on: addresses and signatures hold."""
    handler = type("Handler", (_Handler,), {"upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy = Proxy(server.server_port)
    handler.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
