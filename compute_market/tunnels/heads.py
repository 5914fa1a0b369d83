"""Heads of HTTP/1.1 messages: read strictly, and rewritten so that a lease's pages and the hub stay apart.

Format: RFC 9112. Requests can be smuggled if one program reads leniently and the next strictly, so anything
irregular is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compute_market.tunnels.ends import End

HEAD_BYTES_MAX = 64 * 1024
GRANT_COOKIE = "bazaar-grant"
# Browsers take a cookie of this prefix from the very host only, by TLS and for all its paths.
HOST_GRANT_COOKIE = f"__Host-{GRANT_COOKIE}"
TOKEN_HEADER = "x-bazaar-token"  # noqa: S105 - a name
HUB_TOKEN = re.compile(r"bearer\s+(?:mbz|hf)_", re.IGNORECASE)
# On the hub's own origin, a lease's page is untrusted: it runs its scripts in an origin of its own.
SANDBOX = "sandbox allow-scripts allow-forms allow-downloads allow-modals allow-popups"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer upgrade".split()
)
# Headers that define where a message ends: a connection may not name them as its own.
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_FORWARDED = frozenset(
    "forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-prefix x-real-ip".split()
)
# Headers that front servers obey, or that act beyond the page: a lease may not send them.
_NEVER_OUT = frozenset("x-sendfile alt-svc strict-transport-security public-key-pins nel report-to".split())
# Further headers that a page on the hub's own origin may not send.
_NEVER_OUT_OF_PATHS = frozenset("set-cookie service-worker-allowed clear-site-data refresh".split())

Headers = list[tuple[str, str]]


class BadHead(Exception):
    """The received head is not a valid HTTP/1.1 head."""


@dataclass(slots=True)
class Request:
    """A request's head. Names of headers are in lower case; `target` is as it came."""

    method: str
    target: str
    headers: Headers
    is_last: bool = False

    @property
    def is_upgrade(self) -> bool:
        return "upgrade" in words(self.headers, "connection") and bool(value(self.headers, "upgrade"))

    @property
    def is_navigation(self) -> bool:
        """True if a person opens a page with this request, in a browser."""
        return self.method == "GET" and "text/html" in value(self.headers, "accept").lower()


@dataclass(slots=True)
class Answer:
    """A response's head."""

    status: int
    reason: str
    headers: Headers
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class PortAddress:
    """The address of a lease's port: a host of its own, or a path of the hub (`prefix`)."""

    prefix: str = ""
    host: str = ""
    scheme: str = "http"
    client: str = ""

    @property
    def is_path(self) -> bool:
        return bool(self.prefix)


def value(headers: Iterable[tuple[str, str]], name: str) -> str:
    """The first value of a header, or nothing."""
    return next((text for key, text in headers if key == name), "")


def words(headers: Iterable[tuple[str, str]], name: str) -> set[str]:
    """The comma-separated words of a header, in lower case."""
    joined = ",".join(text for key, text in headers if key == name)
    return {word.strip().lower() for word in joined.split(",") if word.strip()}


async def read_request(end: End) -> Request:
    """Raises: BadHead, EndClosed, TooLong."""
    line, headers = _parse(await end.read_until(b"\r\n\r\n", limit=HEAD_BYTES_MAX))
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] not in {"HTTP/1.1", "HTTP/1.0"} or not _TOKEN.fullmatch(parts[0]):
        raise BadHead("the request line")
    if not _TARGET.fullmatch(parts[1]) or not parts[1].startswith("/"):
        raise BadHead("the target")
    body_length(headers)
    is_last = parts[2] == "HTTP/1.0" or "close" in words(headers, "connection")
    return Request(parts[0], parts[1], headers, is_last)


async def read_answer(end: End) -> Answer:
    """Raises: BadHead, EndClosed, TooLong."""
    line, headers = _parse(await end.read_until(b"\r\n\r\n", limit=HEAD_BYTES_MAX))
    version, _, rest = line.partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not re.fullmatch(r"[1-5]\d\d", status):
        raise BadHead("the status line")
    body_length(headers)
    is_last = version == "HTTP/1.0" or "close" in words(headers, "connection")
    return Answer(int(status), reason, headers, is_last)


def body_length(headers: Headers) -> int | None:
    """Bytes of the body; -1 where it comes in chunks, None where nothing says. Raises: BadHead."""
    lengths = {text.strip() for name, text in headers if name == "content-length"}
    codings = [text.strip().lower() for name, text in headers if name == "transfer-encoding"]
    if words(headers, "connection") & _FRAMING:
        # It would be left out of what is passed on, and the next reader would find another end.
        raise BadHead("the body's length")
    if codings:
        if lengths or codings != ["chunked"]:
            raise BadHead("the body's length")
        return -1
    if not lengths:
        return None
    text = lengths.pop()
    if lengths or not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadHead("the body's length")
    return int(text)


def request_in(request: Request, place: PortAddress, port: str) -> bytes:
    """The head that what runs in the lease gets: nothing of the hub's goes in."""
    nominated = words(request.headers, "connection")
    kept: Headers = []
    for name, given in request.headers:
        if name in _HOP_BY_HOP or name in nominated or name in _FORWARDED or name in {"host", TOKEN_HEADER}:
            continue
        if name == "authorization" and HUB_TOKEN.match(given):
            continue
        text = given if name != "cookie" else "" if place.is_path else _cookies_in(given)
        if text or name != "cookie":
            kept.append((name, text))
    host = f"localhost:{port}" if place.is_path and port.isdecimal() else place.host or "localhost"
    kept += [
        ("host", host),
        ("x-forwarded-for", place.client),
        ("x-forwarded-proto", place.scheme),
        ("x-forwarded-host", place.host),
    ]
    if place.is_path:
        kept.append(("x-forwarded-prefix", place.prefix))
    if request.is_upgrade:
        kept += [("connection", "upgrade"), ("upgrade", value(request.headers, "upgrade"))]
    return render(f"{request.method} {request.target} HTTP/1.1", kept)


def answer_out(answer: Answer, place: PortAddress, *, port: str, is_last: bool) -> bytes:
    """The head that the client gets: nothing that could act as the hub comes out."""
    nominated = words(answer.headers, "connection")
    kept: Headers = []
    for name, given in answer.headers:
        if name in _HOP_BY_HOP or name in nominated or name in _NEVER_OUT or name.startswith("x-accel-"):
            continue
        if place.is_path and (name in _NEVER_OUT_OF_PATHS or name.startswith("access-control-")):
            continue
        text = _cookie_out(given) if name == "set-cookie" else given
        if name == "location" and place.is_path:
            text = _location_out(given, place.prefix, port)
        if text or name != "set-cookie":
            kept.append((name, text))
    if place.is_path:
        kept += [
            ("content-security-policy", SANDBOX),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ]
    if answer.status == 101:
        kept += [("connection", "upgrade"), ("upgrade", value(answer.headers, "upgrade"))]
    elif is_last:
        kept.append(("connection", "close"))
    return render(f"HTTP/1.1 {answer.status} {answer.reason}", kept)


def render(line: str, headers: Sequence[tuple[str, str]]) -> bytes:
    text = "".join(f"{name.title()}: {value}\r\n" for name, value in headers)
    return f"{line}\r\n{text}\r\n".encode("latin-1")


def _parse(data: bytes) -> tuple[str, Headers]:
    line, *lines = data[:-4].decode("latin-1").split("\r\n")
    if not _VALUE.fullmatch(line):
        # Browsers end a line at a bare line feed, too: the rest would be headers, or a page, of the hub's.
        raise BadHead("the first line")
    headers: Headers = []
    for text in lines:
        name, colon, content = text.partition(":")
        content = content.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(content):
            raise BadHead("a header")
        headers.append((name.lower(), content))
    return line, headers


def _cookies_in(text: str) -> str:
    pairs = [pair.strip() for pair in text.split(";")]
    ours = {GRANT_COOKIE, HOST_GRANT_COOKIE}
    return "; ".join(pair for pair in pairs if pair.partition("=")[0].strip() not in ours)


def _cookie_out(text: str) -> str:
    """A cookie of this host alone, and never one of ours; empty where it is to be dropped."""
    pair, *attributes = text.split(";")
    # Browsers keep a cookie without a name and send its value alone: `=a=b` comes back as `a=b`.
    if pair.strip(" \t=").partition("=")[0].strip() in {GRANT_COOKIE, HOST_GRANT_COOKIE}:
        return ""
    kept = [part for part in attributes if part.partition("=")[0].strip().lower() != "domain"]
    return ";".join([pair, *kept])


def _location_out(text: str, prefix: str, port: str) -> str:
    for origin in (f"http://localhost:{port}", f"http://127.0.0.1:{port}"):
        if text == origin or text.startswith(f"{origin}/"):
            text = text.removeprefix(origin) or "/"
    return prefix + text if text.startswith("/") and not text.startswith("//") else text
