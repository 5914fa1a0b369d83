"""JSON bodies that hold whole files: strings named `content` wait in a file, the rest is parsed.

OpenCSG's client sends up to 75 files of 10 MiB in one body, ModelScope's as many as its caller wants. So what
such a body costs in memory does not depend on the size of its files.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import orjson

from foundation import temporary_files
from hub.api.base64_text import decoded
from hub.api.json import BODY_BYTES_MAX, BodyTooLarge, MalformedBody
from hub.blobstore import refusing_when_full

PIECE = 1 << 16
# Content is in memory up to this size, all files together.
MEMORY_BYTES_MAX = 1 << 20
# The body without its content: names, actions, a message.
REST_BYTES_MAX = 8 << 20
# Bytes that are searched again with the next piece, because a match may be cut. If the white space before a
# string is longer, that string stays in the rest, which has its own limit.
CUT_BYTES = 1024
_CONTENT = re.compile(rb'"content"\s*:\s*"')
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class Contents:
    """The content strings of one body, as they were sent. A parsed body holds a reference to each."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        # The sender of a body cannot know it, so none of its strings can be taken for a reference.
        self._mark = secrets.token_hex(16)
        self._spans: list[tuple[int, int]] = []

    def add(self, pieces: Iterator[bytes]) -> bytes:
        """Store a string's raw text; returns its reference. Raises: StorageFull."""
        begin = self._file.tell()
        with refusing_when_full():
            for piece in pieces:
                self._file.write(piece)
        self._spans.append((begin, self._file.tell()))
        return f"{self._mark}{len(self._spans) - 1}".encode()

    def base64(self, value: str) -> Iterator[bytes]:
        """The bytes of a file that was sent as base64. Raises: MalformedBody."""
        return decoded(self._raw(value))

    def text(self, value: str) -> str:
        """A content string itself. Raises: MalformedBody, also above the size of a body without files."""
        if not value.startswith(self._mark):
            return value
        raw = bytearray()
        for piece in self._raw(value):
            raw += piece
            if len(raw) > BODY_BYTES_MAX:
                raise MalformedBody(reason=f"a text has more than {BODY_BYTES_MAX} bytes")
        try:
            return str(orjson.loads(b'"' + raw + b'"'))
        except orjson.JSONDecodeError as error:
            raise MalformedBody(reason=f"not JSON ({error})") from None

    def _raw(self, value: str) -> Iterator[bytes]:
        if not value.startswith(self._mark):
            # Its name was spelled with escapes, so it stayed in the rest.
            yield value.encode("utf-8", "surrogatepass")
            return
        at, end = self._spans[int(value.removeprefix(self._mark))]
        while at < end:
            self._file.seek(at)
            piece = self._file.read(min(PIECE, end - at))
            at += len(piece)
            yield piece


@contextmanager
def body_with_contents(
    read: Callable[[int], bytes], *, limit: int
) -> Iterator[tuple[dict[str, Any], Contents]]:
    """A JSON object off `read(n)`, with references in place of its content strings, and these strings.

    They are there until the context ends. Raises: MalformedBody, BodyTooLarge above `limit` bytes,
    StorageFull.
    """
    with temporary_files.spooled(MEMORY_BYTES_MAX) as file:
        contents = Contents(file)
        yield _parsed(_Splitter(read, limit).rest(contents)), contents


def _parsed(rest: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(rest)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(reason=f"not JSON ({error})") from None
    if not isinstance(value, dict):
        raise MalformedBody(reason="not a JSON object")
    return value


class _Splitter:
    """Reads a body once, and divides it into its content strings and the rest.

    The quotes of a key are never escaped, and those inside a string always are. So the pattern matches only a
    key whose name ends in `content"`, whatever the strings contain.
    """

    def __init__(self, read: Callable[[int], bytes], limit: int) -> None:
        self._read, self._limit, self._bytes_left = read, limit, limit
        self._buffer = bytearray()
        self._ended = False

    def rest(self, contents: Contents) -> bytes:
        rest = bytearray()
        while True:
            match = _CONTENT.search(self._buffer)
            if match is not None:
                rest += self._taken(match.end())
                rest += contents.add(self._string())
            else:
                kept = 0 if self._ended else CUT_BYTES
                rest += self._taken(max(0, len(self._buffer) - kept))
            if len(rest) > REST_BYTES_MAX:
                raise MalformedBody(reason=f"more than {REST_BYTES_MAX} bytes besides file content")
            if match is None:
                if self._ended:
                    return bytes(rest)
                self._fill()

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _fill(self) -> None:
        piece = self._read(PIECE)
        self._ended = not piece
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise BodyTooLarge(limit=self._limit)
        self._buffer += piece

    def _string(self) -> Iterator[bytes]:
        """The raw text up to the closing quote, which stays."""
        while True:
            match = _STRING.match(self._buffer)
            assert match is not None  # the pattern also matches nothing
            end = match.end()
            if end:
                yield self._taken(end)
            if self._buffer[:1] == b'"':
                return
            if self._ended:
                raise MalformedBody(reason="the body ends inside a file's content")
            self._fill()
