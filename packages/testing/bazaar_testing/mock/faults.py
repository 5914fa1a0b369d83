"""Stands between the web server and the application, where a connection can be cut."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bazaar_testing.mock.rules import OwnersOf, Record, Rule, book

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

OWN = "/_mock/"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PIECE_BYTES = 16 * 1024
STALE = hashlib.sha256(b"stale").hexdigest()
EXPIRED = "hf_" + "0" * 40
REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


def with_faults(application: Application, *, owners_of: OwnersOf) -> Application:
    """Wrap the application: requests are written down and meet the faults that the test asked for."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = _path(environ)
        if path.startswith(OWN):
            return application(environ, start_response)
        record, rule = book.meet(
            environ["REQUEST_METHOD"],
            path,
            environ.get("QUERY_STRING", ""),
            _headers(environ),
            owners_of=owners_of,
        )
        if rule is None:
            return application(environ, _noting(record, start_response))
        return _Faulty(record, rule).answer(application, environ, start_response)

    return wrapped


def with_machines(application: Application, tend: Callable[[], None]) -> Application:
    """Wrap the application: what a request asks of the market's machines, they do before it is answered."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] in CHANGING and not _path(environ).startswith(OWN):
            tend()
        return response

    return wrapped


class _Faulty:
    """One request that meets one rule."""

    def __init__(self, record: Record, rule: Rule) -> None:
        self.record, self.rule = record, rule
        self.was_cut = False

    def answer(
        self, application: Application, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        rule = self.rule
        time.sleep(rule.latency)
        if rule.status is not None:
            return _refuse(self.record, rule, start_response)
        environ = dict(environ)
        if rule.expired_token:
            _expire(environ)
        if rule.cut_upload_after is not None:
            environ["wsgi.input"] = _CutInput(environ["wsgi.input"], rule.cut_upload_after, self._note_cut)
        if rule.changes_body:
            # The web server would send a file by itself, past us.
            environ.pop("wsgi.file_wrapper", None)
        response = application(environ, _noting(self.record, start_response, change=self._change))
        if self.was_cut:
            if hasattr(response, "close"):
                response.close()
            raise _cut()
        return self._body(response) if rule.changes_body else response

    def _note_cut(self) -> None:
        self.was_cut = True

    def _change(self, headers: Headers) -> Headers:
        changed = []
        for name, value in headers:
            lower = name.lower()
            if self.rule.stale_etag and lower in {"etag", "x-linked-etag"}:
                changed.append((name, f'"{STALE}"'))
            elif self.rule.wrong_length and lower == "content-length":
                changed.append((name, str(max(0, int(value) + self.rule.wrong_length))))
            else:
                changed.append((name, value))
        return changed

    def _body(self, response: Iterable[bytes]) -> Iterator[bytes]:
        rule = self.rule
        sent = 0
        try:
            for piece in self._lengthened(_pieces(response)):
                left = None if rule.cut_after is None else rule.cut_after - sent
                data = piece if left is None else piece[: max(0, left)]
                if rule.wrong_bytes and data:
                    data = bytes([data[0] ^ 0xFF]) + data[1:]
                if data:
                    sent += len(data)
                    self.record.sent_bytes = sent
                    yield data
                if rule.bandwidth:
                    time.sleep(len(data) / rule.bandwidth)
                if left is not None and len(piece) >= left:
                    raise _cut()
        finally:
            if hasattr(response, "close"):
                response.close()

    def _lengthened(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        extra = self.rule.wrong_length
        if extra >= 0:
            yield from pieces
            if extra:
                yield bytes(extra)
            return
        held = b""
        for piece in pieces:
            held += piece
            if len(held) > -extra:
                yield held[:extra]
                held = held[extra:]


class _CutInput:
    """A request's body that ends with its connection after so many bytes."""

    def __init__(self, source: Any, left: int, note: Callable[[], None]) -> None:
        self.source, self.left, self.note = source, left, note

    def read(self, size: int = -1) -> bytes:
        return self._take(self.source.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._take(self.source.readline, size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self.left <= 0:
            self.note()
            raise _cut()
        data = read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


def _cut() -> ConnectionResetError:
    # The server takes it for a client that went away: it closes the connection and logs nothing.
    return ConnectionResetError(errno.ECONNRESET, "cut by a fault")


def _pieces(response: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in response:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def _path(environ: dict[str, Any]) -> str:
    raw = environ.get("RAW_URI") or environ.get("PATH_INFO") or "/"
    return str(raw).partition("?")[0]


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    found = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            found[name.replace("_", "-").lower()] = str(environ[name])
    return found


def _noting(
    record: Record, start_response: Callable[..., Any], *, change: Callable[[Headers], Headers] | None = None
) -> Callable[..., Any]:
    def noting(status: str, headers: Headers, exc_info: Any = None) -> Any:
        record.status = int(status.split(" ", 1)[0])
        return start_response(status, change(headers) if change else headers, exc_info)

    return noting


def _expire(environ: dict[str, Any]) -> None:
    """Put a token in the given one's place that the hub does not know: each dialect refuses it itself."""
    environ.pop("HTTP_COOKIE", None)
    scheme = environ.get("HTTP_AUTHORIZATION", "Bearer").partition(" ")[0]
    basic = base64.b64encode(f"expired:{EXPIRED}".encode()).decode()
    environ["HTTP_AUTHORIZATION"] = f"{scheme} {basic if scheme.lower() == 'basic' else EXPIRED}"


def _refuse(record: Record, rule: Rule, start_response: Callable[..., Any]) -> list[bytes]:
    assert rule.status is not None
    reason = REASONS.get(rule.status, "Refused")
    message = f"{reason} (a fault that the test asked for)"
    if record.path.startswith("/modelscope"):
        shape: dict[str, Any] = {"Code": rule.status, "Message": message, "Success": False}
    elif record.path.startswith("/api/v1"):
        shape = {"code": str(rule.status), "msg": message}
    else:
        shape = {"error": message}
    body = json.dumps(shape).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    headers.append(("X-Error-Message", message))
    if rule.retry_after is not None:
        headers.append(("Retry-After", str(rule.retry_after)))
    record.status = rule.status
    start_response(f"{rule.status} {reason}", headers)
    return [] if record.method == "HEAD" else [body]
