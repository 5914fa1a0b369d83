"""A server in a thread of the test, with an application that answers about what it was asked."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from bazaar.server.http.files import FileWrapper
from bazaar.server.http.limits import Limits
from bazaar.server.http.server import Server

PATIENCE_SECONDS = 60.0
Start = Callable[..., Any]
View = Callable[[dict[str, Any], Start], Iterable[bytes]]


def answer(start: Start, body: bytes, status: str = "200 OK") -> list[bytes]:
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


@dataclass
class App:
    """A WSGI application of named views: `/name` is answered by the view of that name, others say "ok"."""

    views: dict[str, View] = field(default_factory=dict)
    environs: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        self.environs.append(environ)
        view = self.views.get(environ["PATH_INFO"].split("/")[1])
        return view(environ, start) if view else answer(start, b"ok")


class Client:
    """One connection, spoken by hand."""

    def __init__(self, address: tuple[str, int], *, receive_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> Self:
        self.socket.sendall(data)
        return self

    def get(self, path: str, *headers: str, method: str = "GET") -> Reply:
        lines = [f"{method} {path} HTTP/1.1", "Host: here", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        return self.reply(has_body=method != "HEAD")

    def reply(self, *, has_body: bool = True) -> Reply:
        """The next response. An empty one when the connection ended instead."""
        line = self.file.readline()
        reply = Reply(int(line.split()[1]) if line else 0)
        while line and (header := self.file.readline().strip()):
            name, _, value = header.decode("latin-1").partition(": ")
            reply.headers[name.lower()] = value
        if has_body and reply.status >= 200:
            reply.body = self._body(reply)
        return reply

    def _body(self, reply: Reply) -> bytes:
        if reply.headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.file.readline(), 16):
                parts.append(self.file.read(size))
                assert self.file.readline() == b"\r\n"
            assert self.file.readline() == b"\r\n"
            return b"".join(parts)
        if "content-length" in reply.headers:
            return self.file.read(int(reply.headers["content-length"]))
        return b"" if reply.status in {204, 304} else self.file.read()

    def has_ended(self) -> bool:
        """True if the server closes the connection now; False if it sends anything else."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Running:
    """A server of `limits`, answering by `app`."""

    def __init__(self, limits: Limits) -> None:
        self.app = App()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address: tuple[str, int] = self.listener.getsockname()
        self.server = Server(self.listener, self.app, limits)
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()

    @property
    def connection_count(self) -> int:
        return len(self.server._connections)

    def client(self, **options: Any) -> Client:
        return Client(self.address, **options)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.server.stop()
            self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self.listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Start a server with limits of the test's own; it ends with the test."""
    running: list[Running] = []

    def start(**limits: Any) -> Running:
        running.append(Running(Limits(**{"graceful_seconds": 0.5, **limits})))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., Running]) -> Running:
    """One with the usual limits and a few views."""
    running = serve()

    def echo(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        return answer(start, environ["wsgi.input"].read())

    def pieces(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return iter([b"one ", b"", b"two ", b"three"])

    def unread(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        return answer(start, b"refused", "403 Forbidden")

    running.app.views.update(echo=echo, pieces=pieces, unread=unread)
    return running


def file_view(content: bytes, *, offset: int = 0, length: int | None = None) -> View:
    """A view that returns a file through `wsgi.file_wrapper`."""

    def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the wrapper closes it
        file.write(content)
        file.seek(offset)
        size = len(content) - offset if length is None else length
        start("200 OK", [("Content-Length", str(size))])
        return FileWrapper(file)

    return view
