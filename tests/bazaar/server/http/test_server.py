"""The server as its clients meet it: requests and responses over real sockets."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bazaar.server.http.requests import LOOP_LINES_MAX
from tests.bazaar.server.http.conftest import Client, Running, Start, answer, file_view

MIB = 1 << 20
CONTENT = os.urandom(3 * MIB + 17)


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(path: str, body: bytes, size: int = 100_000) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + coded + b"0\r\n\r\n"


class TestRequests:
    def test_follow_each_other_on_a_connection(self, server: Running) -> None:
        with server.client() as client:
            for _ in range(3):
                assert client.get("/a").body == b"ok"

    def test_may_come_before_the_last_one_is_answered(self, server: Running) -> None:
        one = b"GET /pieces HTTP/1.1\r\nHost: here\r\n\r\n"
        with server.client() as client:
            client.send(one + post("/echo", b"body") + b"\r\n" + one + one[:20])
            bodies = [client.reply().body for _ in range(3)]
            assert bodies == [b"one two three", b"body", b"one two three"]
            assert client.send(one[20:]).reply().status == 200

    def test_may_come_byte_by_byte(self, server: Running) -> None:
        with server.client() as client:
            for byte in post("/echo", b"slowly"):
                client.send(bytes([byte]))
            assert client.reply().body == b"slowly"

    def test_reach_the_application_with_their_raw_target(self, server: Running) -> None:
        with server.client() as client:
            client.get(
                "/a%2Fb%20c?x=%2F", "X-One: a", "X-One: b", "Cookie: a=1", "Cookie: b=2", "X_One: evil"
            )
        environ = server.app.environs[0]
        assert (environ["RAW_URI"], environ["PATH_INFO"]) == ("/a%2Fb%20c?x=%2F", "/a/b c")
        assert (environ["QUERY_STRING"], environ["REMOTE_ADDR"]) == ("x=%2F", "127.0.0.1")
        assert (environ["HTTP_X_ONE"], environ["HTTP_COOKIE"]) == ("a,b", "a=1; b=2")
        assert environ["wsgi.url_scheme"] == "http"

    @pytest.mark.parametrize(
        ("trusted", "scheme"), [("127.0.0.1", "https"), ("10.0.0.1", "http"), ("*", "https")]
    )
    def test_came_by_tls_if_a_trusted_front_server_says_so(
        self, serve: Callable[..., Running], trusted: str, scheme: str
    ) -> None:
        server = serve(trusted_proxies=frozenset({trusted}))
        with server.client() as client:
            client.get("/", "X-Forwarded-Proto: https")
        assert server.app.environs[0]["wsgi.url_scheme"] == scheme

    @pytest.mark.parametrize(("trusted", "kept"), [("127.0.0.1", True), ("10.0.0.1", False), ("*", True)])
    def test_belong_to_the_trace_of_a_trusted_front_server_only(
        self, serve: Callable[..., Running], trusted: str, *, kept: bool
    ) -> None:
        server = serve(trusted_proxies=frozenset({trusted}))
        with server.client() as client:
            client.get("/", "traceparent: 00-1-2-01", "tracestate: a=b", "baggage: c=d")
        environ = server.app.environs[0]
        names = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE")
        assert [name in environ for name in names] == [kept] * 3

    @pytest.mark.parametrize("size", [0, 1, 70_000, 300_000, len(CONTENT)])
    @pytest.mark.parametrize("make", [post, chunked])
    def test_bring_their_bodies(self, server: Running, make: Callable[..., bytes], size: int) -> None:
        with server.client() as client:
            sender = threading.Thread(target=client.send, args=(make("/echo", CONTENT[:size]),))
            sender.start()
            assert client.reply().body == CONTENT[:size]
            sender.join()
            assert client.get("/next").body == b"ok"

    @pytest.mark.parametrize("make", [post, chunked])
    def test_are_read_in_pieces_and_lines(self, server: Running, make: Callable[..., bytes]) -> None:
        body = b"first line\n" + b"x" * MIB + b"\n" + CONTENT

        def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            source = environ["wsgi.input"]
            parts = [source.readline(), source.readline(), source.read(10)]
            while part := source.read(MIB):
                parts.append(part)
            assert len(parts[4]) == MIB
            return answer(start, b"".join(parts))

        server.app.views["view"] = view
        with server.client() as client:
            sender = threading.Thread(target=client.send, args=(make("/view", body),))
            sender.start()
            assert client.reply().body == body
            sender.join()

    def test_with_expectations_get_100_continue(self, server: Running) -> None:
        with server.client() as client:
            client.send(post("/echo", b"body", "Expect: 100-continue").removesuffix(b"body"))
            assert client.reply().status == 100
            assert client.send(b"body").reply().body == b"body"

    def test_may_have_bodies_of_tiny_chunks(self, server: Running) -> None:
        """The loop reads the first of them, the view's thread the rest; the next request follows."""
        body = CONTENT[: 3 * LOOP_LINES_MAX]
        with server.client() as client:
            for _ in range(2):
                assert client.send(chunked("/echo", body, 1)).reply().body == body
            assert client.get("/next").body == b"ok"

    @pytest.mark.parametrize("make", [post, chunked])
    def test_keep_their_connection_when_a_small_body_is_not_read(
        self, server: Running, make: Callable[..., bytes]
    ) -> None:
        with server.client() as client:
            assert client.send(make("/unread", b"x" * 1000)).reply().status == 403
            assert client.get("/next").body == b"ok"

    @pytest.mark.parametrize("make", [post, chunked])
    def test_end_their_connection_when_a_large_body_is_not_read(
        self, server: Running, make: Callable[..., bytes]
    ) -> None:
        with server.client() as client:
            sender = threading.Thread(target=client.send, args=(make("/unread", CONTENT),))
            sender.start()
            reply = client.reply()
            assert (reply.status, reply.body, reply.headers["connection"]) == (403, b"refused", "close")
            sender.join()  # all of it is taken, so that the answer is not lost
            assert client.has_ended()


class TestRefusals:
    """The server's own; the application hears of none of them."""

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"nonsense\r\n\r\n", 501),
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: here\n\n", 400),
            (
                b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
                400,
            ),
            (
                b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
                400,
            ),
            (b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 70_000, 431),
            (b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 501),
        ],
    )
    def test_close_the_connection(self, server: Running, sent: bytes, status: int) -> None:
        with server.client() as client:
            reply = client.send(sent).reply()
            assert (reply.status, reply.headers["connection"]) == (status, "close")
            assert client.has_ended()
        assert server.app.environs == []

    def test_of_a_body_that_breaks_while_it_is_read_are_no_crash(
        self, server: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        good = chunked("/echo", CONTENT).removesuffix(b"0\r\n\r\n")
        with server.client() as client:
            sender = threading.Thread(target=client.send, args=(good + b"0x5\r\nhello\r\n",))
            sender.start()
            assert client.reply().status == 400
            sender.join()
            assert client.has_ended()
        assert caplog.records == []

    def test_do_not_let_smuggled_requests_through(self, server: Running) -> None:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n"
        for bad in (
            b"Content-Length: 5\r\nContent-Length: 0\r\n",
            b"Transfer-Encoding: chunked, identity\r\n",
        ):
            with server.client() as client:
                client.send(b"POST / HTTP/1.1\r\nHost: here\r\n" + bad + b"\r\n" + smuggled)
                assert client.reply().status in {400, 501}
                assert client.has_ended()
        assert server.app.environs == []


class TestResponses:
    def test_of_unknown_length_are_chunked(self, server: Running) -> None:
        with server.client() as client:
            reply = client.get("/pieces")
            assert (reply.body, reply.headers["transfer-encoding"]) == (b"one two three", "chunked")
            assert client.get("/next").status == 200

    def test_of_unknown_length_end_with_an_old_client_s_connection(self, server: Running) -> None:
        with server.client() as client:
            reply = client.send(b"GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").reply()
            assert (reply.body, reply.headers["connection"]) == (b"one two three", "close")

    def test_keep_an_old_client_s_connection_if_it_asks(self, server: Running) -> None:
        with server.client() as client:
            for _ in range(2):
                reply = client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").reply()
                assert (reply.body, reply.headers["connection"]) == (b"ok", "keep-alive")
            assert client.send(b"GET / HTTP/1.0\r\n\r\n").reply().body == b"ok"
            assert client.has_ended()

    def test_to_head_have_the_headers_alone(self, server: Running) -> None:
        server.app.views["file"] = file_view(CONTENT)
        with server.client() as client:
            assert client.get("/a", method="HEAD").headers["content-length"] == "2"
            assert client.get("/file", method="HEAD").headers["content-length"] == str(len(CONTENT))
            assert client.get("/pieces", method="HEAD").status == 200
            assert client.get("/next").body == b"ok"

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_without_a_body_have_no_length(self, server: Running, status: str) -> None:
        server.app.views["none"] = lambda environ, start: answer(start, b"", status)
        with server.client() as client:
            reply = client.get("/none")
            assert (reply.status, "content-length" in reply.headers) == (int(status[:3]), False)
            assert "transfer-encoding" not in reply.headers
            assert client.get("/next").body == b"ok"

    @pytest.mark.parametrize(("offset", "length"), [(0, None), (1000, None), (17, 2 * MIB), (0, 0)])
    def test_are_files_from_where_they_stand(self, server: Running, offset: int, length: int | None) -> None:
        server.app.views["file"] = file_view(CONTENT, offset=offset, length=length)
        end = len(CONTENT) if length is None else offset + length
        with server.client() as client:
            for _ in range(2):
                assert client.get("/file").body == CONTENT[offset:end]

    def test_that_fail_are_500_and_end_the_connection(
        self, server: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            raise ValueError("broken")

        server.app.views["fails"] = fails
        with server.client() as client:
            assert client.get("/fails").status == 500
            assert client.has_ended()
        assert "broken" in caplog.text

    def test_that_fail_half_way_are_cut(self, server: Running, caplog: pytest.LogCaptureFixture) -> None:
        def fails(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            start("200 OK", [("Content-Length", "100")])
            yield b"half"
            raise ValueError("broken")

        server.app.views["fails"] = fails
        with server.client() as client:
            assert client.get("/fails").body == b"half"
            assert client.has_ended()
        assert "broken" in caplog.text

    @pytest.mark.parametrize("body", [b"longer than that", b"s"])
    def test_of_another_length_than_they_say_are_cut(
        self, server: Running, body: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.CRITICAL, "bazaar.server.http.answering")

        def lies(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            start("200 OK", [("Content-Length", "5")])
            return [body]

        server.app.views["lies"] = lies
        with server.client() as client:
            assert len(client.get("/lies").body) <= 5
            assert client.has_ended()

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\0b"])
    def test_with_line_ends_in_headers_are_not_sent(
        self, server: Running, value: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.CRITICAL, "bazaar.server.http.answering")

        def injects(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            start("200 OK", [("X-Name", value), ("Content-Length", "0")])
            return []

        server.app.views["injects"] = injects
        with server.client() as client:
            reply = client.get("/injects")
            assert (reply.status, "x-evil" in reply.headers) == (500, False)

    def test_to_clients_that_left_are_nobody_s_fault(
        self, server: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        entered, leave = threading.Event(), threading.Event()

        def waits(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            entered.set()
            leave.wait(60)
            start("200 OK", [])
            return iter([CONTENT, CONTENT, CONTENT])

        server.app.views["waits"] = waits
        with server.client() as client:
            client.send(b"GET /waits HTTP/1.1\r\nHost: here\r\n\r\n")
            assert entered.wait(60)
        leave.set()
        with server.client() as client:
            assert client.get("/next").body == b"ok"
        server.stop()
        assert caplog.records == []

    def test_are_closed_by_the_thread_that_made_them(self, server: Running) -> None:
        closed: list[bool] = []

        class Body:
            def __init__(self) -> None:
                self.thread = threading.get_ident()

            def __iter__(self) -> Any:
                return iter([b"o", b"k"])

            def close(self) -> None:
                closed.append(self.thread == threading.get_ident())

        def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            start("200 OK", [("Content-Length", "2")])
            return Body()

        server.app.views["view"] = view
        with server.client() as client:
            assert client.get("/view").body == b"ok"
        server.stop()
        assert closed == [True]


class TestStop:
    def test_waits_for_what_is_being_answered(self, serve: Callable[..., Running]) -> None:
        server = serve(graceful_seconds=60.0)
        entered, leave = threading.Event(), threading.Event()

        def waits(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            entered.set()
            leave.wait(60)
            return answer(start, b"done")

        server.app.views["waits"] = waits
        with server.client() as client, server.client() as idle:
            assert idle.get("/").body == b"ok"
            client.send(b"GET /waits HTTP/1.1\r\nHost: here\r\n\r\n")
            assert entered.wait(60)
            server.server.stop()
            leave.set()
            assert client.reply().body == b"done"
            server.stop()
            assert client.has_ended()
            assert idle.has_ended()

    def test_does_not_wait_for_ever(self, serve: Callable[..., Running]) -> None:
        server = serve(graceful_seconds=0.1)
        server.app.views["file"] = file_view(bytes(64 * MIB))
        with server.client(receive_bytes=4096) as client:
            client.send(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.file.read(1) == b"H"
            server.stop()
            while client.file.read(MIB):
                pass


def test_a_client_helper_tells_that_a_connection_ended(server: Running) -> None:
    with Client(server.address) as client:
        assert client.get("/", "Connection: close").body == b"ok"
        assert client.has_ended()
