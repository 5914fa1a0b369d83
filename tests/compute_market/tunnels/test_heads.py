"""Heads of messages: what is odd is refused, and what passes is what may pass."""

from __future__ import annotations

import asyncio

import pytest

from compute_market.tunnels import heads
from compute_market.tunnels.ends import End, EndClosed, TooLong
from compute_market.tunnels.heads import Answer, BadHead, PortAddress, Request

BY_PATH = PortAddress(
    prefix="/leases/17/ports/8888", host="hub.example.org", scheme="https", client="192.0.2.7"
)
BY_HOST = PortAddress(host="17--8888.leases.example.org", scheme="https", client="192.0.2.7")


def read(data: bytes, *, answer: bool = False) -> Request | Answer:
    async def run() -> Request | Answer:
        end = End()
        end.received += data
        end.is_over = True
        return await (heads.read_answer(end) if answer else heads.read_request(end))

    return asyncio.run(run())


class TestReading:
    def test_a_request(self) -> None:
        request = read(b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-A:  b \r\n\r\nabc")
        assert isinstance(request, Request)
        assert (request.method, request.target, request.is_last) == ("POST", "/a?b", False)
        assert request.headers == [("host", "x"), ("content-length", "3"), ("x-a", "b")]

    @pytest.mark.parametrize(
        "text",
        [
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c: folded\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\nX-C: d\r\n\r\n",
            "GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET http://other/ HTTP/1.1\r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET /  HTTP/1.1\r\n\r\n",
            "G@T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: Content-Length\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: close, transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_refuses_what_could_be_read_in_two_ways(self, text: str) -> None:
        with pytest.raises(BadHead):
            read(text.encode("latin-1"))

    @pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x0b", "\x7f"])
    def test_no_line_of_an_answer_has_control_characters(self, character: str) -> None:
        for text in (
            f"HTTP/1.1 200 OK{character}Set-Cookie: a=b\r\n\r\n",
            f"HTTP/1.1 200 OK{character}{character}<script>\r\n\r\n",
            f"HTTP/1.1 200 OK\r\nA: b{character}Set-Cookie: a=b\r\n\r\n",
            f"HTTP/1.1 200 OK\r\nA{character}Set-Cookie: a=b\r\n\r\n",
        ):
            with pytest.raises(BadHead):
                read(text.encode("latin-1"), answer=True)

    def test_bounds_a_head_and_notices_its_end(self) -> None:
        with pytest.raises(TooLong):
            read(b"GET / HTTP/1.1\r\nA: " + b"b" * heads.HEAD_BYTES_MAX + b"\r\n\r\n"[:1])
        with pytest.raises(TooLong):
            read(b"GET / HTTP/1.1\r\nA: " + b"b" * heads.HEAD_BYTES_MAX + b"\r\n\r\n")
        with pytest.raises(EndClosed):
            read(b"GET / HTTP/1.1\r\nA: b")
        with pytest.raises(BadHead):
            read(b"HTTP/1.1 999 what\r\n\r\n", answer=True)


class TestGoingIn:
    REQUEST = Request(
        "GET",
        "/lab",
        [
            ("host", "hub.example.org"),
            ("cookie", "sessionid=1; bazaar-grant=2; _xsrf=3; __Host-bazaar-grant=4"),
            ("authorization", "Bearer hf_secret"),
            ("x-bazaar-token", "hf_secret"),
            ("connection", "keep-alive, x-private"),
            ("x-private", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-own", "kept"),
        ],
    )

    def test_by_path_takes_no_credentials_along(self) -> None:
        text = heads.request_in(self.REQUEST, BY_PATH, "8888").decode().lower()
        for absent in ("cookie", "authorization", "hf_secret", "x-private", "10.0.0.1", "connection"):
            assert absent not in text
        assert "host: localhost:8888\r\n" in text
        assert "x-own: kept\r\n" in text
        assert "x-forwarded-prefix: /leases/17/ports/8888\r\n" in text

    def test_by_host_takes_the_ports_own_cookies(self) -> None:
        text = heads.request_in(self.REQUEST, BY_HOST, "8888").decode().lower()
        assert "cookie: sessionid=1; _xsrf=3\r\n" in text
        assert "hf_secret" not in text
        assert "host: 17--8888.leases.example.org\r\n" in text


class TestComingOut:
    HOSTILE = Answer(
        200,
        "OK",
        [
            ("set-cookie", "sessionid=evil; Domain=example.org; Path=/"),
            ("set-cookie", "__Host-bazaar-grant=evil; Path=/"),
            ("x-accel-redirect", "/protected/other"),
            ("x-sendfile", "/etc/passwd"),
            ("strict-transport-security", "max-age=1; includeSubDomains"),
            ("alt-svc", 'h2="evil:443"'),
            ("service-worker-allowed", "/"),
            ("clear-site-data", '"*"'),
            ("access-control-allow-origin", "https://evil.example.org"),
            ("content-security-policy", "default-src *"),
            ("location", "/next"),
            ("connection", "keep-alive"),
            ("x-own", "kept"),
        ],
    )

    def test_by_path_is_a_strangers_page(self) -> None:
        text = heads.answer_out(self.HOSTILE, BY_PATH, port="8888", is_last=True).decode().lower()
        for absent in (
            "set-cookie",
            "x-accel",
            "x-sendfile",
            "strict-transport",
            "alt-svc",
            "service-worker",
            "clear-site-data",
            "access-control",
        ):
            assert absent not in text
        assert f"content-security-policy: {heads.SANDBOX}\r\n" in text
        assert "location: /leases/17/ports/8888/next\r\n" in text
        assert "connection: close\r\n" in text

    def test_by_host_it_has_its_own_cookies_and_no_others(self) -> None:
        text = heads.answer_out(self.HOSTILE, BY_HOST, port="8888", is_last=False).decode().lower()
        assert "set-cookie: sessionid=evil; path=/\r\n" in text
        assert "bazaar-grant" not in text
        assert "x-accel" not in text
        assert "location: /next\r\n" in text

    @pytest.mark.parametrize(
        "given",
        [
            *(
                "bazaar-grant=evil",
                " bazaar-grant =evil",
                "=bazaar-grant=evil",
                " = bazaar-grant=evil; Path=/",
            ),
            *("==bazaar-grant=evil", "\tbazaar-grant=evil", "bazaar-grant", "=__Host-bazaar-grant=evil"),
        ],
    )
    def test_no_cookie_is_or_becomes_a_grant(self, given: str) -> None:
        """Browsers do this too: they send a cookie without a name as its value alone."""
        answer = Answer(200, "OK", [("set-cookie", given)])
        assert b"grant" not in heads.answer_out(answer, BY_HOST, port="8888", is_last=False)

    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("http://localhost:8888/tree", "/leases/17/ports/8888/tree"),
            ("http://127.0.0.1:8888", "/leases/17/ports/8888/"),
            ("//evil.example.org/", "//evil.example.org/"),
            ("https://example.org/", "https://example.org/"),
            ("relative", "relative"),
        ],
    )
    def test_addresses_of_redirects(self, given: str, shown: str) -> None:
        answer = Answer(302, "Found", [("location", given)])
        assert f"Location: {shown}\r\n".encode() in heads.answer_out(
            answer, BY_PATH, port="8888", is_last=True
        )
