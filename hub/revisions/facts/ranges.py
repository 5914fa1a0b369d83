"""Reading the beginning of a large file by ranges, never the whole of it."""

from __future__ import annotations

from foundation.byte_ranges import ReadRange


class Truncated(Exception):
    """The file ends, or the allowance is used up, before the header does."""


class HeaderReader:
    """A forward reader over ranges that fetches `step` bytes at a time and at most `bytes_max` in all.

    Skipped bytes are not fetched, unless they came with an earlier range.
    """

    def __init__(self, read: ReadRange, *, bytes_max: int, step: int = 256 * 1024) -> None:
        self._read = read
        self._left = bytes_max
        self._step = step
        self._buffer = b""
        self._at = 0  # in the buffer
        self._end = 0  # of the buffer, in the file

    def take(self, length: int) -> bytes:
        """The next bytes. Raises: Truncated."""
        missing = length - (len(self._buffer) - self._at)
        if missing > 0:
            self._fetch(missing)
        piece = self._buffer[self._at : self._at + length]
        self._at += length
        return piece

    def skip(self, length: int) -> None:
        """Go on behind the next bytes; that the file is long enough shows at the next `take`."""
        buffered = len(self._buffer) - self._at
        if length <= buffered:
            self._at += length
            return
        self._end += length - buffered
        self._buffer, self._at = b"", 0

    def _fetch(self, missing: int) -> None:
        if missing > self._left:
            raise Truncated
        piece = self._read(self._end, min(max(missing, self._step), self._left))
        if len(piece) < missing:
            raise Truncated
        self._left -= len(piece)
        self._end += len(piece)
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
