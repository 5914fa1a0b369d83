"""The chunked transfer coding (RFC 9112, section 7.1), read strictly.

llhttp could decode it too, but does not say where in the bytes that it was given the body ends and the next
request begins.
"""

from __future__ import annotations

import re

# A size, and extensions that are skipped.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
LINE_BYTES_MAX = 4096
TRAILER_BYTES_MAX = 16 * 1024


class BadChunk(ValueError):
    """The coding is broken: where the next request begins is not known any more."""


class ChunkDecoder:
    """Takes a chunked body apart. `missing` bytes of data are left in the current chunk."""

    def __init__(self) -> None:
        self.missing = 0
        # Lines of the coding that have been read: what a body costs besides its bytes.
        self.lines = 0
        self.is_complete = False
        self._is_after_data = False
        self._in_trailer = False
        self._trailer_bytes = 0

    def take(self, buffer: bytearray, size_max: int) -> bytes:
        """Remove coding and up to `size_max` bytes of data from the front of the buffer; give the data.

        Empty when the body is complete, or when the buffer does not hold enough to go on. Raises: BadChunk.
        """
        while not self.missing:
            if self.is_complete or not self._next_line(buffer):
                return b""
        data = bytes(memoryview(buffer)[: min(self.missing, size_max)])
        del buffer[: len(data)]
        self.received(len(data))
        return data

    def received(self, size: int) -> None:
        """Note so many bytes of the current chunk's data, which did not go through the buffer."""
        self.missing -= size
        self._is_after_data = not self.missing

    def _next_line(self, buffer: bytearray) -> bool:
        """Read one line of the coding; false when it is not there yet."""
        end = buffer.find(b"\n", 0, LINE_BYTES_MAX)
        if end < 0:
            if len(buffer) >= LINE_BYTES_MAX:
                raise BadChunk("A line of the chunked body is too long.")
            return False
        line = bytes(buffer[: end + 1])
        if not line.endswith(b"\r\n"):
            raise BadChunk("A line of the chunked body does not end in CR LF.")
        del buffer[: end + 1]
        self._read_line(line[:-2])
        return True

    def _read_line(self, line: bytes) -> None:
        self.lines += 1
        if self._is_after_data:
            if line:
                raise BadChunk("A chunk is longer than its size.")
            self._is_after_data = False
        elif self._in_trailer:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > TRAILER_BYTES_MAX or (line and not _TRAILER.fullmatch(line)):
                raise BadChunk("The trailer of the chunked body is malformed.")
            self.is_complete = not line
        else:
            found = _SIZE_LINE.fullmatch(line)
            if found is None:
                raise BadChunk("The size of a chunk is malformed.")
            self.missing = int(found[1], 16)
            self._in_trailer = not self.missing
