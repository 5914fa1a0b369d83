"""A view takes its connection: what it gets, and that the server is done with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from foundation.taken_connections import TakenConnection, offered
from tests.bazaar.server.http.conftest import Running, Start
from tests.waiting import until


def take_connection(environ: dict[str, Any]) -> TakenConnection:
    take = offered(environ)
    assert take is not None
    return take()


HEAD = "{} HTTP/1.1\r\nHost: here\r\n{}\r\n"
UPGRADE = HEAD.format("GET /take", "Connection: Upgrade\r\nUpgrade: tunnel\r\n").encode()


@pytest.fixture
def server(serve: Callable[..., Running]) -> Running:
    """Its view `/take` takes the connection, tells what was unread, and then speaks in capitals."""
    running = serve(threads=1, transfers=1, head_dispatch_prefixes=("/take/",))

    def speak(taken: TakenConnection) -> None:
        with taken.socket as connection:
            connection.sendall(f"unread: {taken.unread!r}\n".encode())
            while data := connection.recv(1000):
                connection.sendall(data.upper())

    def take(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        taken = take_connection(environ)
        assert taken.socket.getblocking()
        assert taken.socket.gettimeout() is None
        threading.Thread(target=speak, args=(taken,)).start()
        start("500 Not Sent", [("Content-Length", "4")])
        return [b"lost"]

    running.app.views["take"] = take
    return running


class TestTakeConnection:
    @pytest.mark.parametrize(
        ("sent", "unread"),
        [
            (UPGRADE, b""),
            (UPGRADE + b"ahead", b"ahead"),
            (HEAD.format("GET /take", "").encode(), b""),
            (HEAD.format("POST /take", "Content-Length: 4\r\n").encode() + b"body", b"body"),
            (HEAD.format("POST /take/a", "Content-Length: 9999\r\n").encode() + b"body", b"body"),
            (HEAD.format("POST /take/a", "Transfer-Encoding: chunked\r\n").encode() + b"4\r\nbo", b"4\r\nbo"),
        ],
    )
    def test_gives_the_socket_and_what_was_not_read(
        self, server: Running, sent: bytes, unread: bytes
    ) -> None:
        with server.client() as client:
            client.send(sent)
            assert client.file.readline() == f"unread: {unread!r}\n".encode()
            assert client.send(b"hello").file.read(5) == b"HELLO"
            with server.client() as other:
                assert other.get("/").body == b"ok"

    def test_gives_a_socket_that_waits_for_ever(self, serve: Callable[..., Running]) -> None:
        """Also on a connection over which a thread has received a body before."""
        running = serve()
        taken: list[TakenConnection] = []

        def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] == "POST":
                environ["wsgi.input"].read()
            else:
                taken.append(take_connection(environ))
            start("200 OK", [("Content-Length", "2")])
            return [b"ok"]

        running.app.views["view"] = view
        size = 1 << 20
        with running.client() as client:
            client.send(HEAD.format("POST /view", f"Content-Length: {size}\r\n").encode() + bytes(size))
            assert client.reply().body == b"ok"
            client.send(HEAD.format("GET /view", "").encode())
            until(lambda: taken)
            received = taken[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
            taken[0].socket.close()
        assert received == bytes(16)

    def test_holds_neither_a_thread_nor_the_server(self, server: Running) -> None:
        taken = [server.client().send(UPGRADE) for _ in range(5)]
        for client in taken:
            assert client.file.readline() == b"unread: b''\n"
        with server.client() as other:
            assert other.get("/").body == b"ok"
        server.stop()
        for client in taken:
            assert client.send(b"still here").file.read(10) == b"STILL HERE"
            client.__exit__()

    def test_is_refused_once_the_body_has_been_read_in_part(self, server: Running) -> None:
        refused = threading.Event()

        def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            environ["wsgi.input"].read(1)
            with pytest.raises(RuntimeError):
                take_connection(environ)
            refused.set()
            start("204 No Content", [])
            return []

        server.app.views["view"] = view
        with server.client() as client:
            client.send(HEAD.format("POST /view", "Content-Length: 1000000\r\n").encode() + bytes(500_000))
            assert client.reply().status == 204
        assert refused.is_set()

    def test_bodies_under_a_prefix_reach_the_view_as_they_come(self, server: Running) -> None:
        seen: list[bytes] = []
        got = threading.Event()

        def take(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            while data := environ["wsgi.input"].read1(1000):
                seen.append(data)
                got.set()
            start("204 No Content", [])
            return []

        server.app.views["take"] = take
        with server.client() as client:
            client.send(HEAD.format("POST /take/a", "Transfer-Encoding: chunked\r\n").encode())
            for part in (b"one", b"two"):
                got.clear()
                client.send(b"3\r\n" + part + b"\r\n")
                assert got.wait(60)
            assert client.send(b"0\r\n\r\n").reply().status == 204
        assert seen == [b"one", b"two"]

    def test_a_client_that_leaves_is_the_owner_s_to_notice(self, server: Running) -> None:
        ended = threading.Event()

        def take(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            connection: socket.socket = take_connection(environ).socket

            def wait() -> None:
                assert connection.recv(10) == b""
                connection.close()
                ended.set()

            threading.Thread(target=wait).start()
            return []

        server.app.views["take"] = take
        server.client().send(UPGRADE).__exit__()
        assert ended.wait(60)
