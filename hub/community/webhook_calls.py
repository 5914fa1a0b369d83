"""Calls an address of a stranger's choosing: to a checked address, once, for a bounded time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult

from foundation import spans
from foundation.errors import Refusal
from hub.community import webhook_addresses

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
ANSWER_BYTES_MAX = 64 * 1024
ANSWER_CHARS_KEPT = 2_000


class CallFailed(Exception):
    """No answer: not reached, cut off, too slow, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response, its text cut at 2,000 characters."""

    status: int
    text: str
    duration_ms: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def _connect(
    parts: SplitResult, port: int, *, checked: list[str], ends_at: float
) -> http.client.HTTPConnection:
    """A connection to one of the checked addresses, which names the host as the URL does.

    A name may have thousands of addresses, so they share one time limit. Raises: OSError.
    """
    host = parts.hostname or ""
    wire = _first_that_answers(checked, port, ends_at)
    if parts.scheme == "http":
        plain = http.client.HTTPConnection(host, port)
        plain.sock = wire
        return plain
    try:
        context = ssl.create_default_context()
        secure = http.client.HTTPSConnection(host, port, context=context)
        # The handshake has the socket's time limit as a whole.
        secure.sock = context.wrap_socket(wire, server_hostname=host)
    except BaseException:
        wire.close()
        raise
    return secure


def _first_that_answers(checked: list[str], port: int, ends_at: float) -> socket.socket:
    last: OSError | None = None
    for text in checked:
        left = ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            return socket.create_connection((text, port), timeout=min(CONNECT_TIMEOUT_S, left))
        except OSError as error:
            last = error
    raise last or OSError("no address")


@spans.traced("webhook.call")
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
    parts = webhook_addresses.split_url(url)
    port = parts.port or webhook_addresses.PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    cut_off = threading.Event()
    try:
        checked = webhook_addresses.resolve(parts.hostname or "", port, may_be_private=may_be_private)
        connection = _connect(parts, port, checked=checked, ends_at=started + timeout_s)
        with closing(connection), _hanging_up(connection.sock, started + timeout_s, cut_off):
            connection.request("POST", target, body=body, headers=dict(headers))
            with connection.getresponse() as response:
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
    duration_ms = round((time.monotonic() - started) * 1000)
    return Answer(status=response.status, text=text[:ANSWER_CHARS_KEPT], duration_ms=duration_ms)


@contextmanager
def _hanging_up(wire: socket.socket, ends_at: float, cut_off: threading.Event) -> Iterator[None]:
    """End the connection at that time, if the work is not done by then; `cut_off` then tells of it.

    A socket's own time limit is for one read, and a trickling server would hold a worker for hours. The
    socket is given, because a connection forgets its own once the answer says that it will be closed.
    """

    def hang_up() -> None:
        cut_off.set()
        with suppress(OSError):  # it ended by itself in this moment
            wire.shutdown(socket.SHUT_RDWR)

    watchdog = threading.Timer(max(0.0, ends_at - time.monotonic()), hang_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
