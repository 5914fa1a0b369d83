"""The head of a request: request line and headers (RFC 9112), parsed by llhttp through httptools.

llhttp is strict: it refuses bare CR and LF, NUL, folded lines, spaces before the colon, Content-Length beside
Transfer-Encoding, and lengths that are not one decimal number. This module checks the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import httptools

from bazaar.server.http.limits import Limits

END = b"\r\n\r\n"
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
# If these headers disagree, a proxy and the application may see different requests.
_SINGLE = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding"})


class BadRequest(Exception):
    """The request cannot be answered; its connection is closed after the status."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(slots=True)
class Head:
    """A request without its body.

    `target` is the request target as the client wrote it, with bytes beyond ASCII percent-encoded. `headers`
    are (lower-case name, value) as they came. `length` is the body's length in bytes, None for a chunked one.
    """

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    length: int | None = 0
    keeps_alive: bool = True
    expects_continue: bool = False


class _Callbacks:
    """Callbacks of llhttp, which receive parts of the head."""

    def __init__(self, head: Head) -> None:
        self.head = head

    def on_url(self, url: bytes) -> None:
        self.head.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.head.headers.append((name.lower(), value.rstrip(b" \t")))


def end_of(buffer: bytearray, searched: int, bytes_max: int) -> int:
    """The offset at which the head ends, before its empty line; -1 while the end has not arrived.

    The first `searched` bytes of the buffer were searched before and are skipped, so a head that arrives byte
    by byte costs in proportion to its length. Raises: BadRequest.
    """
    end = buffer.find(END, max(0, searched - len(END) + 1))
    if max(end, len(buffer) if end < 0 else 0) > bytes_max:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.")
    if end < 0 and buffer.find(b"\n\n", max(0, searched - 1)) >= 0:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "A line of the head does not end in CR LF.")
    return end


def parse(data: bytes, limits: Limits) -> Head:
    """Parse a head, its empty line included. Raises: BadRequest."""
    head = Head()
    parser = httptools.HttpRequestParser(_Callbacks(head))
    try:
        parser.feed_data(_ascii_target(data))
    except httptools.HttpParserUpgrade:
        pass  # the application's decision
    except httptools.HttpParserInvalidMethodError:
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "The method is not known.") from None
    except httptools.HttpParserError as error:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"{error}.") from None
    head.method = parser.get_method().decode("ascii")
    head.version = parser.get_http_version()
    _check(head, limits)
    return head


def _ascii_target(data: bytes) -> bytes:
    """The head with a request line in ASCII: some clients write paths in UTF-8 without encoding them."""
    end = data.find(b"\r\n", 2)
    line = data[:end]
    if line.isascii():
        return data
    return _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + data[end:]


def _check(head: Head, limits: Limits) -> None:
    if head.version not in {"1.1", "1.0"}:
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here.")
    if len(head.target) > limits.target_bytes:
        raise BadRequest(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
    if len(head.headers) > limits.header_count:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "There are too many headers.")
    if not head.target.startswith((b"/", b"http://", b"https://")) and head.target != b"*":
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The request target is neither a path nor an address.")
    single = [name for name, _ in head.headers if name in _SINGLE]
    if len(set(single)) != len(single):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "A header that can be there once is there twice.")
    if head.version == "1.1" and b"host" not in single:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The header Host is missing.")
    if head.target.startswith(b"http"):
        _believe_address(head)
    head.keeps_alive = head.version == "1.1"
    for name, value in head.headers:
        if (read := _READERS.get(name)) is not None:
            read(head, value)


def _believe_address(head: Head) -> None:
    """Let the target's host replace the header Host, as RFC 9112 (section 3.2.2) demands.

    So one host is checked, and no part of the application sees another one. Raises: BadRequest.
    """
    try:
        authority = urlsplit(head.target).netloc
    except ValueError:  # brackets that hold no IPv6 address
        authority = b""
    if not authority:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The request target is no valid address.")
    head.headers = [
        (b"host", authority),
        *[(name, value) for name, value in head.headers if name != b"host"],
    ]


def _read_length(head: Head, value: bytes) -> None:
    head.length = int(value)


def _read_coding(head: Head, value: bytes) -> None:
    if head.version == "1.0":
        raise BadRequest(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no transfer encodings.")
    if value.lower() != b"chunked":
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "The only transfer encoding known is chunked.")
    head.length = None


def _read_connection(head: Head, value: bytes) -> None:
    options = {option.strip() for option in value.lower().split(b",")}
    head.keeps_alive = b"close" not in options and (head.keeps_alive or b"keep-alive" in options)


def _read_expectation(head: Head, value: bytes) -> None:
    if value.lower() != b"100-continue":
        raise BadRequest(HTTPStatus.EXPECTATION_FAILED, "The expectation is not known.")
    head.expects_continue = head.version == "1.1"


_READERS: dict[bytes, Callable[[Head, bytes], None]] = {
    b"content-length": _read_length,
    b"transfer-encoding": _read_coding,
    b"connection": _read_connection,
    b"expect": _read_expectation,
}
