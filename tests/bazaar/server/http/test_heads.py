"""Heads: what is refused, so that no two programs in a row read different requests."""

from __future__ import annotations

from typing import Any

import pytest

from bazaar.server.http import heads
from bazaar.server.http.heads import BadRequest
from bazaar.server.http.limits import Limits

HOST = b"Host: here\r\n"


def parse(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> heads.Head:
    return heads.parse(line + b"\r\n" + host + b"".join(each + b"\r\n" for each in lines) + b"\r\n", Limits())


class TestParse:
    def test_gives_method_target_and_headers_as_they_came(self) -> None:
        head = parse(b"X-Name:  a b ", b"x-name: c", line=b"DELETE /a%2Fb/../c?x=%20y HTTP/1.1")
        assert (head.method, head.target, head.version) == ("DELETE", b"/a%2Fb/../c?x=%20y", "1.1")
        assert [value for name, value in head.headers if name == b"x-name"] == [b"a b", b"c"]
        assert (head.length, head.keeps_alive) == (0, True)

    def test_encodes_a_target_that_is_not_ascii(self) -> None:
        assert parse(line="GET /模?q=型 HTTP/1.1".encode()).target == b"/%E6%A8%A1?q=%E5%9E%8B"

    def test_takes_whole_addresses(self) -> None:
        assert parse(line=b"GET http://here/a HTTP/1.1").target == b"http://here/a"

    def test_believes_the_host_of_a_whole_address(self) -> None:
        head = parse(line=b"GET http://there:81/a HTTP/1.1")
        assert [value for name, value in head.headers if name == b"host"] == [b"there:81"]

    @pytest.mark.parametrize(
        "target", [b"http://[/", b"http://[x]/", b"http://a]b/", b"http:///a", b"https://"]
    )
    def test_refuses_addresses_that_are_none(self, target: bytes) -> None:
        with pytest.raises(BadRequest) as refused:
            parse(line=b"GET " + target + b" HTTP/1.1")
        assert refused.value.status == 400

    @pytest.mark.parametrize(
        ("line", "headers", "keeps_alive"),
        [
            (b"GET / HTTP/1.1", [b"Connection: close"], False),
            (b"GET / HTTP/1.0", [], False),
            (b"GET / HTTP/1.0", [b"Connection: keep-alive"], True),
        ],
    )
    def test_tells_whether_the_connection_is_kept(
        self, line: bytes, headers: list[bytes], keeps_alive: bool
    ) -> None:
        assert parse(*headers, line=line).keeps_alive is keeps_alive

    def test_tells_the_length_of_the_body(self) -> None:
        assert parse(b"Content-Length: 17").length == 17
        assert parse(b"Transfer-Encoding: Chunked").length is None

    @pytest.mark.parametrize(
        "lines",
        [
            [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: chunked", b"Content-Length: 3"],
            [b"Content-Length: 3", b"Content-Length: 3"],
            [b"Content-Length: 3", b"Content-Length: 4"],
            [b"Content-Length: 3, 3"],
            [b"Content-Length: +3"],
            [b"Content-Length: -3"],
            [b"Content-Length: 0x3"],
            [b"Content-Length: 3 3"],
            [b"Content-Length: "],
            [b"Content-Length: 99999999999999999999999"],
            [b"Transfer-Encoding: chunked, chunked"],
            [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
            [b"Transfer-Encoding: xchunked"],
            [b"Transfer-Encoding: \x0bchunked"],
            [b"X: a", b" folded"],
            [b"X: a", b"\tfolded"],
            [b"X : a"],
            [b" X: a"],
            [b": a"],
            [b"X"],
            [b"X: a\rb"],
            [b"X: a\nY: b"],
            [b"X: a\x00b"],
            [b"X: a\x1bb"],
            [b"X\x00: a"],
            [b"X\xe9: a"],
            [b"Host: there"],
            [b"Content-Type: a/b", b"Content-Type: c/d"],
        ],
    )
    def test_refuses_what_could_be_read_in_two_ways(self, lines: list[bytes]) -> None:
        with pytest.raises(BadRequest) as caught:
            parse(*lines, line=b"POST / HTTP/1.1")
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            (b"GET /", 505),
            (b"GET / HTTP/0.9", 505),
            (b"GET / HTTP/1.2", 400),
            (b"GET / HTTP/2.0", 505),
            (b"GET / HTTP/11", 400),
            (b"GET\t/ HTTP/1.1", 501),
            (b"GET /a b HTTP/1.1", 400),
            (b"GET /a\x01b HTTP/1.1", 400),
            (b"GET a HTTP/1.1", 400),
            (b"CONNECT here:443 HTTP/1.1", 400),
            (b"NONSENSE / HTTP/1.1", 501),
            (b"get / HTTP/1.1", 501),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1", 414),
        ],
    )
    def test_refuses_other_request_lines(self, line: bytes, status: int) -> None:
        with pytest.raises(BadRequest) as caught:
            parse(line=line)
        assert caught.value.status == status

    def test_wants_to_know_the_host(self) -> None:
        with pytest.raises(BadRequest):
            parse(host=b"")
        assert parse(line=b"GET / HTTP/1.0", host=b"").version == "1.0"

    def test_refuses_chunks_of_http_1_0(self) -> None:
        with pytest.raises(BadRequest):
            parse(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0")

    def test_refuses_codings_that_are_not_known(self) -> None:
        with pytest.raises(BadRequest) as caught:
            parse(b"Transfer-Encoding: gzip, chunked", line=b"POST / HTTP/1.1")
        assert caught.value.status == 501

    def test_refuses_too_many_headers_and_unknown_expectations(self) -> None:
        with pytest.raises(BadRequest) as caught:
            parse(*[b"X: a"] * 101)
        assert caught.value.status == 431
        with pytest.raises(BadRequest) as caught:
            parse(b"Expect: wonders")
        assert caught.value.status == 417


class CountedBuffer(bytearray):
    """Counts the bytes that a search may look at."""

    looked_at = 0

    def find(self, sought: Any, start: Any = 0, *end: Any) -> int:
        self.looked_at += len(self) - (start or 0)
        return super().find(sought, start, *end)


class TestEndOfHead:
    @pytest.mark.parametrize("line", [b"X: y\r\n", b"X: y\r\n z\r\n", b"\r\r\r", b"\na\r"])
    def test_is_found_by_looking_at_each_byte_a_few_times(self, line: bytes) -> None:
        """Byte by byte, up to the limit: not the whole head for each byte."""
        buffer, searched = CountedBuffer(), 0
        limit = Limits().head_bytes
        for byte in (line * limit)[:limit]:
            buffer.append(byte)
            assert heads.end_of(buffer, searched, limit) == -1
            searched = len(buffer)
        assert buffer.looked_at <= 8 * limit
        buffer.append(0)
        with pytest.raises(BadRequest, match="too long"):
            heads.end_of(buffer, searched, limit)

    @pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
    def test_is_found_however_the_bytes_arrive(self, step: int) -> None:
        head = b"GET / HTTP/1.1\r\nHost: here"
        buffer, searched, found = bytearray(), 0, -1
        data = head + b"\r\n\r\nrest"
        for start in range(0, len(data), step):
            buffer += data[start : start + step]
            if (found := heads.end_of(buffer, searched, 1000)) >= 0:
                break
            searched = len(buffer)
        assert found == len(head)

    @pytest.mark.parametrize("step", [1, 2, 100])
    def test_is_not_waited_for_after_an_empty_line_without_cr(self, step: int) -> None:
        buffer, searched = bytearray(), 0
        data = b"GET / HTTP/1.1\nHost: here\n\n"
        with pytest.raises(BadRequest, match="CR LF"):
            for start in range(0, len(data), step):
                buffer += data[start : start + step]
                heads.end_of(buffer, searched, 1000)
                searched = len(buffer)
