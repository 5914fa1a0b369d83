"""Reading the beginning of a large file by ranges, never the whole of it."""

from __future__ import annotations

from collections.abc import Callable

# (start, length) → those bytes, or fewer at the end of the file.
ReadRange = Callable[[int, int], bytes]


class Truncated(Exception):
    """The file ends, or the allowance is used up, before the header does."""


class HeaderReader:
    """A forward reader over ranges that fetches `step` bytes at a time and at most `bytes_max` in all."""

    def __init__(self, read: ReadRange, *, bytes_max: int, step: int = 256 * 1024) -> None:
        self._read = read
        self._bytes_max = bytes_max
        self._step = step
        self._buffer = b""
        self._at = 0
        self._fetched = 0

    def take(self, length: int) -> bytes:
        """The next bytes. Raises: Truncated."""
        self._need(length)
        piece = self._buffer[self._at : self._at + length]
        self._at += length
        return piece

    def skip(self, length: int) -> None:
        """Raises: Truncated."""
        self._need(length)
        self._at += length

    def _need(self, length: int) -> None:
        missing = length - (len(self._buffer) - self._at)
        if missing <= 0:
            return
        wanted = max(missing, self._step)
        if self._fetched + missing > self._bytes_max:
            raise Truncated
        piece = self._read(self._fetched, min(wanted, self._bytes_max - self._fetched))
        self._fetched += len(piece)
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        if len(self._buffer) < length:
            raise Truncated
