"""An HTTP request of a client's, passed on to what runs in a lease, and its answer.

A client's connection keeps the connection to the lease for its next request to the same port.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from typing import Any

import msgspec

from compute_market.problems import MEDIA_TYPE, problem_of
from compute_market.tunnels import heads
from compute_market.tunnels.ends import End, EndClosed, TooLong
from compute_market.tunnels.heads import Answer, BadHead, PortAddress, Request
from compute_market.tunnels.words import told
from compute_market.tunnels.works import NotServed, Work, Works

CHUNK_LINE_MAX = 4096
TRAILERS_BYTES_MAX = heads.HEAD_BYTES_MAX
# A head that does not come is not waited for without end; long computations answer late.
ANSWER_SECONDS = 3600.0
NO_BODY = frozenset({204, 304})
# Answers such as "100 Continue" before the final one.
INTERIM_MAX = 16


class Visitor:
    """A client's connection while it asks for ports of leases."""

    def __init__(self, works: Works, client: End) -> None:
        self.works = works
        self.client = client
        self._lease: End | None = None
        self._to: tuple[int, str] = (0, "")
        self._is_joined = False

    async def pass_on(self, request: Request, place: PortAddress, *, lease: int, port: str) -> bool:
        """Answer one request. True: the client may send the next. Raises: EndClosed."""
        try:
            work, key = self.works.find(lease, port)
            count = _counting(work)
            end = await self._connection(lease, key)
        except NotServed as refusal:
            return await self._refuse(request, refusal)
        exchange = asyncio.ensure_future(self._exchange(request, place, end, key, count))
        try:
            # A client that has disconnected does not need the answer, so the request to the lease is ended.
            over: set[asyncio.Future[Any]] = {exchange, self.client.over}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            if not (exchange.done() or self.client.received or self._is_joined):
                exchange.cancel()
            return await exchange
        except (BadHead, TooLong, TimeoutError):
            return await self._refuse(
                request, NotServed(502, "bad_answer", "What runs in the lease gave no proper answer.")
            )
        except asyncio.CancelledError:
            self.leave()
            raise EndClosed from None
        finally:
            if not exchange.done():
                exchange.cancel()

    def leave(self) -> None:
        """Give up the connection to the lease."""
        if self._lease is not None:
            self._lease.abort()
            self._lease = None

    async def _connection(self, lease: int, port: str) -> End:
        kept, self._lease = self._lease, None
        if kept is not None and self._to == (lease, port) and not kept.is_over and not kept.received:
            self._lease = kept
            return kept
        if kept is not None:
            kept.abort()
        self._lease, self._to = await self.works.take(lease, port), (lease, port)
        return self._lease

    async def _exchange(
        self, request: Request, place: PortAddress, end: End, port: str, count: Callable[[int], None]
    ) -> bool:
        head = heads.request_in(request, place, port)
        count(len(head))
        end.write(head)
        sending = asyncio.ensure_future(self._send_body(request, end, count))
        try:
            answer = await self._answer(request, end, place, port)
            if answer.status == 101:
                sending.cancel()
                self.client.write(heads.answer_out(answer, place, port=port, is_last=False))
                self.client.on_bytes, self._is_joined = count, True
                await self.client.join(end)
                return False
            length = heads.body_length(answer.headers)
            has_body = request.method != "HEAD" and answer.status not in NO_BODY
            ends_with_connection = has_body and length is None
            is_last = request.is_last or ends_with_connection or not sending.done()
            self.client.write(heads.answer_out(answer, place, port=port, is_last=is_last))
            if has_body:
                await self._pass_body(end, length)
            if answer.is_last or ends_with_connection or not sending.done():
                self.leave()
        except BaseException:
            self.leave()
            raise
        else:
            return not is_last
        finally:
            sending.cancel()

    async def _answer(self, request: Request, end: End, place: PortAddress, port: str) -> Answer:
        """The final answer; interim ones before it are passed on. Raises: BadHead, EndClosed, TooLong."""
        async with asyncio.timeout(ANSWER_SECONDS):
            for _ in range(INTERIM_MAX):
                answer = await heads.read_answer(end)
                if answer.status >= 200:
                    return answer
                if answer.status == 101:
                    if not request.is_upgrade:
                        raise BadHead("another protocol, which nobody asked for")
                    return answer
                await self.client.send(heads.answer_out(answer, place, port=port, is_last=False))
        raise BadHead("interim answers without end")

    async def _send_body(self, request: Request, end: End, count: Callable[[int], None]) -> None:
        length = heads.body_length(request.headers)
        try:
            if length is not None:
                await _copy(self.client, end, length, count)
        except EndClosed:
            pass
        except (BadHead, TooLong):
            # The end of the body is unknown, so the lease's program must not wait for more.
            end.abort()

    async def _pass_body(self, end: End, length: int | None) -> None:
        """The body of an answer. Raises: EndClosed, also where it is malformed: it has begun and is cut."""
        try:
            await _copy(end, self.client, length, end.on_bytes)
        except (BadHead, TooLong):
            raise EndClosed from None

    async def _refuse(self, request: Request, refusal: NotServed) -> bool:
        """Say why not. A body that was not read ends the connection: where the next begins is unknown."""
        is_last = request.is_last or heads.body_length(request.headers) not in {None, 0}
        self.client.write(refusal_bytes(request, refusal, is_last=is_last))
        return not is_last


def refusal_bytes(request: Request, refusal: NotServed, *, is_last: bool) -> bytes:
    """A whole answer that says no: a page for people, a problem (RFC 9457) for programs."""
    headers = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    if request.is_navigation:
        again = '<meta http-equiv="refresh" content="3">' if refusal.status in {502, 503, 504} else ""
        sentence = html.escape(
            told(refusal.code, str(refusal), heads.value(request.headers, "accept-language"))
        )
        text = (
            f'<!doctype html><meta charset="utf-8">{again}<title>{sentence}</title>'
            f'<body style="font:16px sans-serif;margin:3rem"><p>{sentence}</p>'
        )
        body = text.encode()
        headers += [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ]
    else:
        body = msgspec.json.encode(problem_of(refusal.status, code=refusal.code, detail=str(refusal)))
        headers.append(("content-type", MEDIA_TYPE))
    if refusal.status in {502, 503, 504}:
        headers.append(("retry-after", "2"))
    if refusal.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    headers.append(("content-length", str(len(body))))
    if is_last:
        headers.append(("connection", "close"))
    line = f"HTTP/1.1 {refusal.status} {REASONS.get(refusal.status, 'Refused')}"
    return heads.render(line, headers) + (b"" if request.method == "HEAD" else body)


REASONS = {
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


async def _copy(source: End, sink: End, length: int | None, count: Callable[[int], None] | None) -> None:
    """Pass a body on: `length` bytes; -1: in chunks; None: until the source ends.

    Raises: EndClosed, BadHead.
    """
    if length == -1:
        await _copy_chunks(source, sink, count)
        return
    left = length
    while left is None or left > 0:
        data = await source.read_some()
        if not data:
            if left is None:
                return
            raise EndClosed
        if left is not None and len(data) > left:
            source.received[:0] = data[left:]
            data = data[:left]
        if count is not None:
            count(len(data))
        await sink.send(data)
        if left is not None:
            left -= len(data)


async def _copy_chunks(source: End, sink: End, count: Callable[[int], None] | None) -> None:
    """As they come, with frames of our own; extensions and trailers are read, counted and left out."""
    while True:
        line = await source.read_until(b"\r\n", limit=CHUNK_LINE_MAX)
        if count is not None:
            count(len(line))
        text = line.split(b";", 1)[0].strip()
        if not text or len(text) > 16 or not all(byte in b"0123456789abcdefABCDEF" for byte in text):
            raise BadHead("a chunk")
        size = int(text, 16)
        if size == 0:
            await _pass_over_trailers(source, count)
            await sink.send(b"0\r\n\r\n")
            return
        await sink.send(b"%x\r\n" % size)
        await _copy(source, sink, size, count)
        if await source.read_until(b"\r\n", limit=2) != b"\r\n":
            raise BadHead("a chunk")
        await sink.send(b"\r\n")


async def _pass_over_trailers(source: End, count: Callable[[int], None] | None) -> None:
    """Read what may stand behind a body in chunks. Raises: EndClosed, TooLong."""
    left = TRAILERS_BYTES_MAX
    while (line := await source.read_until(b"\r\n", limit=min(CHUNK_LINE_MAX, left))) != b"\r\n":
        left -= len(line)
        if count is not None:
            count(len(line))


def _counting(work: Work) -> Callable[[int], None]:
    def count(size: int) -> None:
        work.bytes_in += size

    return count
