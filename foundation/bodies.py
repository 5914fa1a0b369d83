"""Limits on request bodies: small until the caller is known or has permission for the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import IOBase
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

# Bytes of the body of an unknown caller: enough for forms to sign in or up, and a short JSON object.
UNKNOWN_BYTES_MAX = 16 * 1024
# Bytes that a caller may send who may read the repository of the call: enough for long lists of names.
READER_BYTES_MAX = 1024 * 1024
# Large objects: what receives them counts.
UNLIMITED = 1 << 62


class BodyRefused(RequestDataTooBig):
    """The body is longer than this caller may send; Django answers with 413 where no door does.

    `limit` is in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has more than {limit} bytes, which is all that this caller may send.")
        self.limit = limit


class Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def readline(self, size: int = -1, /) -> bytes: ...


class BoundedBody(IOBase):
    """A request's input up to `limit` bytes. One byte more is read at most, to learn that there is one.

    `ask` is called once, when the limit is reached: it returns how many bytes the caller may send.
    """

    def __init__(self, stream: Stream, ask: Callable[[], int]) -> None:
        self._stream = stream
        self._ask: Callable[[], int] | None = ask
        self.limit = UNKNOWN_BYTES_MAX
        self._read_bytes = 0
        self.is_refused = False

    def raise_to(self, limit: int) -> None:
        self.limit = max(self.limit, limit)

    def ask_instead(self, ask: Callable[[], int]) -> None:
        self._ask = ask

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file's `read`, but what is read whole has at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

        Raises: BodyRefused.
        """
        return self._bounded(self._stream.read, size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """As a file's `readline`. Raises: BodyRefused."""
        return self._bounded(self._stream.readline, size)

    def _bounded(self, read: Callable[[int], bytes], size: int | None) -> bytes:
        is_whole = size is None or size < 0
        wanted = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1 if size is None or size < 0 else size
        if self._read_bytes + wanted > self.limit:
            self._ask_once()
        left = self.limit - self._read_bytes
        data = read(min(wanted, left + 1))
        self._read_bytes += len(data)
        if len(data) > left:
            self.is_refused = True
            raise BodyRefused(self.limit)
        if is_whole and len(data) >= wanted:
            self.is_refused = True
            raise BodyRefused(wanted - 1)
        return data

    def _ask_once(self) -> None:
        ask, self._ask = self._ask, None
        if ask is not None:
            self.raise_to(ask())


@contextmanager
def bound(request: HttpRequest) -> Iterator[None]:
    """Limit what views, forms and parsers can read of the body, whichever of Django's ways they read it by.

    Users with a session may send as much as a push has; the session is looked up only if the body is longer
    than strangers may send. A file of a form that was refused half-way is removed.
    """
    reader: Any = request  # whose `_stream` is what all of Django's ways read from
    body = reader._stream = BoundedBody(reader._stream, lambda: _for_session(request))  # noqa: SLF001
    yield
    if body.is_refused:
        for handler in getattr(reader, "_upload_handlers", ()):
            handler.upload_interrupted()


def _for_session(request: HttpRequest) -> int:
    user = getattr(request, "user", None)
    is_known = user is not None and user.is_authenticated
    return settings.GIT_PUSH_BYTES_MAX if is_known else UNKNOWN_BYTES_MAX


def allow_known(request: HttpRequest) -> None:
    """Let as much be read as a push may have: it is known who calls."""
    allow(request, settings.GIT_PUSH_BYTES_MAX)


def allow(request: HttpRequest, limit: int) -> None:
    """Let so many bytes be read of the body: the caller has the right to this call."""
    if (body := _bounded(request)) is not None:
        body.raise_to(limit)


def allow_if(request: HttpRequest, has_right: Callable[[], bool], limit: int) -> None:
    """Raise the limit of the body if `has_right()`, which is called only for a body beyond the limit for
    strangers.
    """
    if (body := _bounded(request)) is not None:
        body.ask_instead(lambda: limit if has_right() else UNKNOWN_BYTES_MAX)


def _bounded(request: HttpRequest) -> BoundedBody | None:
    """The request's limit; None for a request that no middleware has seen, as tests of one view make them."""
    stream = getattr(request, "_stream", None)
    return stream if isinstance(stream, BoundedBody) else None
