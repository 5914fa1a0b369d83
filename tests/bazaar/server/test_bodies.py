"""Bodies are read from real sockets, behind headers that gunicorn's own parser has read."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from bazaar.server import bodies
from bazaar.server.bodies import SocketBody, received_directly

CONTENT = bytes(range(256)) * 4096
NEXT = b"GET /next HTTP/1.1\r\nHost: here\r\n\r\n"


def post(content: bytes, length: int | None = None) -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {len(content) if length is None else length}"
    return head.encode() + b"\r\n\r\n" + content


class Arrival:
    """A request of which the headers have been read, and its body as the application sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.parser: Any = RequestParser(Config(), connection, ("127.0.0.1", 1))
        self.request = next(self.parser)
        environ = {"gunicorn.socket": connection, "wsgi.input": self.request.body}
        received_directly(lambda seen, _: [seen["wsgi.input"]])(environ, lambda *_: None)
        self.body = environ["wsgi.input"]


@contextmanager
def arriving(sent: bytes, *, resets: bool = False) -> Iterator[Arrival]:
    """Send all that, then hang up: in order, or as if the client had been killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    if resets:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send() -> None:
        with theirs, suppress(ConnectionError):
            theirs.sendall(sent)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield Arrival(ours)
    finally:
        ours.close()
        sender.join()


class TestSocketBody:
    @pytest.mark.parametrize("size", [100, 1000, bodies.DIRECT_BYTES_MIN, 300_000, len(CONTENT), -1, 10**9])
    def test_gives_as_much_as_asked_for_until_the_end(self, size: int) -> None:
        with arriving(post(CONTENT)) as arrival:
            assert isinstance(arrival.body, SocketBody)
            parts = list(iter(lambda: arrival.body.read(size), b""))
        assert b"".join(parts) == CONTENT
        if size > 0:
            assert {len(part) for part in parts[:-1]} <= {size}

    def test_leaves_the_next_request_on_the_connection(self) -> None:
        with arriving(post(CONTENT) + NEXT) as arrival:
            assert arrival.body.read(len(CONTENT) * 2) == CONTENT
            assert arrival.body.read(len(CONTENT)) == b""
            assert next(arrival.parser).path == "/next"

    def test_gives_what_came_with_the_headers_and_no_more(self) -> None:
        content = CONTENT[:1000]
        with arriving(post(content) + NEXT) as arrival:
            assert arrival.body.read(len(CONTENT)) == content
            assert next(arrival.parser).path == "/next"

    def test_may_be_left_unread_or_read_in_part(self) -> None:
        with arriving(post(CONTENT) + NEXT) as arrival:
            arrival.body.read(bodies.DIRECT_BYTES_MIN)
            assert next(arrival.parser).path == "/next"

    def test_can_be_read_in_large_and_small_pieces_and_lines_by_turns(self) -> None:
        with arriving(post(CONTENT)) as arrival:
            body, parts = arrival.body, []
            for size in [10, 200_000, 1, 100_000, 70_000, 3000, 66_000]:
                parts.append(body.read(size))
                assert len(parts[-1]) == size
            parts.append(body.readline())
            assert parts[-1].endswith(b"\n")
            parts.extend(body)
        assert b"".join(parts) == CONTENT

    def test_ends_where_the_client_hangs_up(self) -> None:
        with arriving(post(CONTENT[:500_000], length=len(CONTENT))) as arrival:
            assert arrival.body.read(300_000) == CONTENT[:300_000]
            assert arrival.body.read(300_000) == CONTENT[300_000:500_000]
            assert arrival.body.read(300_000) == b""

    def test_that_fails_ends_its_connection(self) -> None:
        with arriving(post(CONTENT[:500_000], length=len(CONTENT)), resets=True) as arrival:
            with pytest.raises(ConnectionResetError):
                list(iter(lambda: arrival.body.read(300_000), b""))
            assert not arrival.parser.finish_body()


class TestReceivedDirectly:
    def test_leaves_bodies_without_a_length_alone(self) -> None:
        chunked = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        with arriving(chunked) as arrival:
            assert arrival.body is arrival.request.body
            assert arrival.body.read() == b"abc"

    def test_leaves_other_servers_alone(self) -> None:
        environ = {"wsgi.input": object()}
        received_directly(lambda seen, _: [seen["wsgi.input"]])(environ, lambda *_: None)
        assert not isinstance(environ["wsgi.input"], SocketBody)
