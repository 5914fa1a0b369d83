"""Files as responses: `wsgi.file_wrapper`, and what the kernel sends of a file without Python."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

# One call to the kernel sends at most this much, so that one download does not keep the others waiting.
STEP_BYTES = 4 * 1024 * 1024


class FileWrapper:
    """A file wrapper (PEP 3333): the application returns it to have a file sent without copying."""

    def __init__(self, filelike: Any, block_size: int = 64 * 1024) -> None:
        self.filelike, self.block_size = filelike, block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while data := self.filelike.read(self.block_size):
            yield data


class FileSpan:
    """A part of a file on its way, with a descriptor of its own: the application may close its file."""

    __slots__ = ("left", "number", "offset")

    def __init__(self, number: int, offset: int, left: int) -> None:
        self.number, self.offset, self.left = number, offset, left

    @classmethod
    def of(cls, wrapper: FileWrapper, length: int | None) -> FileSpan | None:
        """The range of the file to send, at most `length` bytes; None if it is not a file on a disk."""
        filelike = wrapper.filelike
        try:
            number, offset = filelike.fileno(), filelike.tell()
            status = os.fstat(number)
        except (AttributeError, OSError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        there = max(0, status.st_size - offset)
        return cls(os.dup(number), offset, there if length is None else min(length, there))

    def send_step(self, connected: int) -> bool:
        """Send what the socket takes without waiting, at most a step. True when all has been sent.

        Raises: OSError, also when the file has become shorter.
        """
        if self.left:
            try:
                sent = os.sendfile(connected, self.number, self.offset, min(self.left, STEP_BYTES))
            except BlockingIOError:
                return False
            if not sent:
                raise OSError("The file has become shorter while it was sent.")
            self.offset += sent
            self.left -= sent
        return not self.left

    def close(self) -> None:
        os.close(self.number)
