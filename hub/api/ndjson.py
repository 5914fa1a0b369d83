"""Newline-delimited JSON commits, read as a stream.

A line may hold a file of many megabytes as base64. Lines are never held whole: the few bytes before
`"content"` are, and the base64 text goes on piece by piece (contract huggingface 5.4). Content that comes
before its path waits in a temporary file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import orjson
from django.conf import settings

from foundation import temporary_files
from hub.api.base64_text import decoded
from hub.api.json import BodyTooLarge, MalformedBody
from hub.blobstore import refusing_when_full

PIECE = 1 << 16
# Bytes of a line besides file content.
LINE_BYTES_MAX = 1 << 20
# All lines together, without content.
TEXT_BYTES_MAX = 64 << 20
LINES_MAX = 100_000
# Content that waits for its path is in memory up to this size.
MEMORY_BYTES_MAX = 1 << 20
CUT_BYTES = 1024
_CONTENT = re.compile(rb'"content"\s*:\s*"')


@dataclass(slots=True)
class Line:
    """One `{key, value}`. `content`, if there is one, must be read before the next line; `value` has the rest
    of the line from then on.
    """

    key: str
    value: dict[str, Any] = field(default_factory=dict)
    content: Iterator[bytes] | None = None


class NdjsonReader:
    """Reads lines off `read(n)`.

    Raises: MalformedBody for anything that is not such a stream, BodyTooLarge above the size of a push.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = bytearray()
        self._ended = False
        self._bytes_left = settings.GIT_PUSH_BYTES_MAX
        self._text_left = TEXT_BYTES_MAX
        # Content that came before its path, until it has been read.
        self._waiting: IO[bytes] | None = None

    def close(self) -> None:
        """Remove what waits for a caller that does not come back, because it refused the line."""
        if self._waiting is not None:
            self._waiting.close()

    def _fill(self) -> bool:
        if self._ended:
            return False
        piece = self._read(PIECE)
        if not piece:
            self._ended = True
            return False
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise BodyTooLarge(limit=settings.GIT_PUSH_BYTES_MAX)
        self._buffer += piece
        return True

    def __iter__(self) -> Iterator[Line]:
        for _ in range(LINES_MAX):
            line = self._line()
            if line is None:
                return
            yield line
            if line.content is not None:
                for _ in line.content:  # what the caller left unread
                    pass
        raise MalformedBody(reason=f"more than {LINES_MAX} lines")

    def _line(self) -> Line | None:
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            match = _CONTENT.search(self._buffer, searched, end if end >= 0 else len(self._buffer))
            if match is not None:
                return self._with_content(match)
            if end >= 0 or self._ended:
                text = bytes(self._buffer[:end] if end >= 0 else self._buffer)
                del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]
                if text.strip():
                    return self._parse(text)
                if end < 0:
                    return None
                searched = 0
                continue
            if len(self._buffer) > LINE_BYTES_MAX:
                raise MalformedBody(reason=f"a line has more than {LINE_BYTES_MAX} bytes before its content")
            # The next search begins where a match may have been cut.
            searched = max(0, len(self._buffer) - CUT_BYTES)
            self._fill()

    def _parse(self, text: bytes) -> Line:
        self._text_left -= len(text)
        if self._text_left < 0:
            raise MalformedBody(reason=f"the lines have more than {TEXT_BYTES_MAX} bytes besides content")
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise MalformedBody(reason=f"a line is not JSON ({error})") from None
        if not isinstance(parsed, dict) or not isinstance(parsed.get("key"), str):
            raise MalformedBody(reason="a line is not an object with “key” and “value”")
        value = parsed.get("value")
        if not isinstance(value, dict):
            raise MalformedBody(reason="“value” must be an object")
        content = value.pop("content", None)
        if content is not None:
            # Only a short one, with the text spelled so that the search above has missed it.
            content = decoded([str(content).encode("utf-8", "surrogatepass")])
        return Line(key=parsed["key"], value=value, content=content)

    def _with_content(self, match: re.Match[bytes]) -> Line:
        """A line with content: what follows the string decides the path, when it was not before it."""
        head = bytes(self._buffer[: match.end()])
        del self._buffer[: match.end()]
        before = _partial(head)
        if before is not None and isinstance(before.value.get("path"), str):
            before.content = self._content(head, before)
            return before
        # The path comes after the content (any order is legal JSON): the content waits in a file.
        self.close()
        self._waiting = _waiting(self._decoded())
        line = self._parse(head + b'"' + self._rest_of_line())
        line.content = _pieces(self._waiting)
        return line

    def _content(self, head: bytes, line: Line) -> Iterator[bytes]:
        yield from self._decoded()
        line.value |= self._parse(head + b'"' + self._rest_of_line()).value

    def _decoded(self) -> Iterator[bytes]:
        return decoded(self._base64())

    def _base64(self) -> Iterator[bytes]:
        """The raw text up to the closing quote."""
        while True:
            end = self._buffer.find(b'"')
            stop = end if end >= 0 else len(self._buffer)
            if stop:
                piece = bytes(self._buffer[:stop])
                del self._buffer[:stop]
                yield piece
            if end >= 0:
                del self._buffer[:1]
                return
            if not self._fill():
                raise MalformedBody(reason="the body ends inside a file's content")

    def _rest_of_line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0 and self._fill():
            if len(self._buffer) > LINE_BYTES_MAX:
                raise MalformedBody(reason="a line goes on too long after its content")
        text = bytes(self._buffer[:end] if end >= 0 else self._buffer)
        del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]
        return text


def _partial(head: bytes) -> Line | None:
    """The part of a line before its content, parsed after its open string and objects are closed."""
    for closing in (b'"}}', b'"}'):
        try:
            parsed = orjson.loads(head + closing)
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict) and isinstance(parsed.get("value"), dict):
            parsed["value"].pop("content", None)
            if isinstance(parsed.get("key"), str):
                return Line(key=parsed["key"], value=parsed["value"])
    return None


def _waiting(pieces: Iterator[bytes]) -> IO[bytes]:
    """The pieces in a file of no name, at its beginning. Raises: StorageFull."""
    file = temporary_files.spooled(MEMORY_BYTES_MAX)
    try:
        with refusing_when_full():
            for piece in pieces:
                file.write(piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
