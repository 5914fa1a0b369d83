"""Calls an address of a stranger's choosing: to a checked address, once, for a bounded time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from hub.community import addresses
from hub.errors import Refusal

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
ANSWER_BYTES_MAX = 64 * 1024
ANSWER_CHARS_KEPT = 2_000


class CallFailed(Exception):
    """No answer: not reached, cut off, too slow, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the text cut at 2,000 characters."""

    status: int
    text: str
    duration_ms: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class _Plain(http.client.HTTPConnection):
    """Connects to an address that was checked, and names the host as the URL does."""

    def __init__(self, host: str, port: int, *, checked: list[str]) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S)
        self.checked = checked

    def connect(self) -> None:
        self.sock = _connect(self.checked, self.port)


class _Secure(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, *, checked: list[str]) -> None:
        self.tls = ssl.create_default_context()
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S, context=self.tls)
        self.checked = checked

    def connect(self) -> None:
        self.sock = self.tls.wrap_socket(_connect(self.checked, self.port), server_hostname=self.host)


def _connect(checked: list[str], port: int) -> socket.socket:
    last: OSError | None = None
    for text in checked:
        try:
            return socket.create_connection((text, port), timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            last = error
    raise last or OSError("no address")


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    may_be_private: bool,
    timeout_s: float = TOTAL_TIMEOUT_S,
) -> Answer:
    """POST once, following no redirect; at most 64 KiB of the answer are read.

    Raises: CallFailed, Invalid, AddressForbidden.
    """
    started = time.monotonic()
    parts = addresses.split_url(url)
    host = parts.hostname or ""
    port = parts.port or addresses.PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    watchdog: threading.Timer | None = None
    cut_off = threading.Event()
    connection: http.client.HTTPConnection | None = None
    try:
        checked = addresses.resolve(host, port, may_be_private=may_be_private)
        connection = (_Secure if parts.scheme == "https" else _Plain)(host, port, checked=checked)
        connection.connect()
        # A socket's own timeout is for one read; a trickling server would hold a worker for hours.
        watchdog = threading.Timer(timeout_s, _hang_up, args=[connection, cut_off])
        watchdog.daemon = True
        watchdog.start()
        connection.request("POST", target, body=body, headers=dict(headers))
        response = connection.getresponse()
        text = response.read(ANSWER_BYTES_MAX).decode(errors="replace").replace("\0", "")
        if cut_off.is_set():
            # A cut body reads like a short one.
            raise TimeoutError
    except Refusal:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        too_slow = cut_off.is_set() or isinstance(error, TimeoutError)
        raise CallFailed(
            f"no answer within {timeout_s:g} s" if too_slow else str(error) or repr(error)
        ) from error
    finally:
        if watchdog is not None:
            watchdog.cancel()
        if connection is not None:
            connection.close()
    duration_ms = round((time.monotonic() - started) * 1000)
    return Answer(status=response.status, text=text[:ANSWER_CHARS_KEPT], duration_ms=duration_ms)


def _hang_up(connection: http.client.HTTPConnection, cut_off: threading.Event) -> None:
    cut_off.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It ended by itself in this moment.
            return
