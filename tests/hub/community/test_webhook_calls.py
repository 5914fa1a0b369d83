"""The outgoing call, against real servers on this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hub.community import webhook_calls
from hub.community.errors import AddressForbidden
from hub.community.webhook_calls import CallFailed
from tests.servers.receiver import receiving
from tests.waiting import pause


def post(url: str, *, may_be_private: bool = True, timeout_s: float = 5) -> webhook_calls.Answer:
    return webhook_calls.post(
        url, body=b"{}", headers={"X-A": "b"}, may_be_private=may_be_private, timeout_s=timeout_s
    )


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says whatever `talk` says to its one caller."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                talk(connection)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


class TestPost:
    def test_brings_body_headers_and_query_and_tells_the_answer(self) -> None:
        with receiving() as receiver:
            answer = post(receiver.url)
            call = receiver.next()
        assert (answer.status, answer.text, answer.is_success) == (200, "thanks", True)
        assert (call.raw, call.headers["X-A"]) == (b"{}", "b")

    def test_follows_no_redirect(self) -> None:
        with receiving() as inner:

            def redirect(connection: socket.socket) -> None:
                connection.sendall(
                    f"HTTP/1.1 302 Found\r\nLocation: {inner.url}\r\nContent-Length: 0\r\n\r\n".encode()
                )

            with answering(redirect) as url:
                answer = post(url)
            assert (answer.status, answer.is_success) == (302, False)
            assert inner.calls.empty()

    def test_refuses_an_address_of_the_inner_network(self) -> None:
        with receiving() as receiver:
            with pytest.raises(AddressForbidden):
                post(receiver.url, may_be_private=False)
            with pytest.raises(AddressForbidden):
                post(receiver.url.replace("127.0.0.1", "localhost"), may_be_private=False)
            assert receiver.calls.empty()

    def test_connects_to_the_checked_address_though_the_name_changes_its_mind(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A rebinding name server gives a public address when asked first, and ours when asked again."""
        asked: list[str] = []
        connected: list[tuple[str, int]] = []

        def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        def connect(address: tuple[str, int], **_: Any) -> socket.socket:
            connected.append(address)
            raise OSError("unreachable here")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(CallFailed):
            post("http://rebinding.example/", may_be_private=False)
        assert asked == ["rebinding.example"]
        assert connected == [("93.184.216.34", 80)]

    def test_refuses_a_name_with_one_inner_address_among_public_ones(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look_up(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("93.184.216.34", "10.0.0.1")
            ]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with pytest.raises(AddressForbidden):
            post("http://mixed.example/", may_be_private=False)

    def test_stops_trying_a_name_with_very_many_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[str] = []
        addresses = [f"127.1.{high}.{low}" for high in range(10) for low in range(1, 100)]

        def look_up(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        def connect(address: tuple[str, int], *, timeout: float) -> socket.socket:
            tried.append(address[0])
            assert 0 < timeout <= 0.05
            threading.Event().wait(timeout)
            raise TimeoutError

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(CallFailed, match="no answer within"):
            post("http://many.example/", timeout_s=0.05)
        assert len(tried) < len(addresses)

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            # The client library gives the socket away when it reads this.
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Head: ",
        ],
    )
    def test_hangs_up_on_a_server_that_trickles(self, head: bytes) -> None:
        def trickle(connection: socket.socket) -> None:
            connection.sendall(head)
            # Without the limit it would go on for a minute.
            for _ in range(1_200):
                connection.sendall(b".")
                pause(0.05)

        with answering(trickle) as url:
            started = time.monotonic()
            with pytest.raises(CallFailed, match="no answer within"):
                post(url, timeout_s=0.5)
            assert time.monotonic() - started < 4

    def test_reads_only_the_beginning_of_a_huge_answer(self) -> None:
        def flood(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

        with answering(flood) as url:
            answer = post(url)
        assert len(answer.text) == webhook_calls.ANSWER_CHARS_KEPT

    @pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n"])
    def test_fails_on_what_is_no_http(self, said: bytes) -> None:
        with answering(lambda connection: connection.sendall(said)) as url, pytest.raises(CallFailed):
            post(url)

    def test_fails_where_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(CallFailed, match="refused"):
            post(f"http://127.0.0.1:{port}/")
