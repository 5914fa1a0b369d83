"""The files by which a supervisor and an agent know of each other: output, state, and when to end.

All room is taken before the command starts. After that a full disk costs neither the exit code nor the newest
output, and no amount of output fills the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

OUTPUT_FILE, STATE_FILE, LOCK_FILE, DEADLINE_FILE = "output", "state", "lock", "deadline"
OUTPUT_BYTES = 4 * 1024 * 1024
STATE_BYTES = 4096
_HEADER = struct.Struct("<8sQQ")
_MAGIC = b"bazaar-1"


class OutputWriter:
    """A file of fixed size that holds the newest output: byte `n` of the output is at place `n % size`.

    The header counts all bytes written so far. An existing file is continued.
    """

    def __init__(self, path: Path, *, size: int = OUTPUT_BYTES) -> None:
        """Raises: OSError when there is no room."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            found = read_header(self._file)
            self._size, self._total = found or (size, 0)
            os.posix_fallocate(self._file, 0, _HEADER.size + self._size)
            self._write_header()
        except OSError:
            self.close()
            raise

    def append(self, data: bytes) -> None:
        """Add output; of more than fits, the newest part."""
        self._total += max(0, len(data) - self._size)
        data = data[-self._size :]
        place = self._total % self._size
        until_end = self._size - place
        os.pwrite(self._file, data[:until_end], _HEADER.size + place)
        os.pwrite(self._file, data[until_end:], _HEADER.size)
        self._total += len(data)
        self._write_header()

    def close(self) -> None:
        os.close(self._file)

    def _write_header(self) -> None:
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._size, self._total), 0)


def read_header(file: int) -> tuple[int, int] | None:
    """The size of an output file and the number of bytes ever written to it; None if it is no such file."""
    header = os.pread(file, _HEADER.size, 0)
    if len(header) < _HEADER.size:
        return None
    magic, size, total = _HEADER.unpack(header)
    return (size, total) if magic == _MAGIC and size > 0 else None


def read_output(path: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """Output from a byte on, and the byte at which it begins; see `Running.read`. Raises: OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while True:
            found = read_header(file)
            if found is None:
                return offset, b""
            size, total = found
            start = max(offset, total - size)
            wanted = min(limit, total - start)
            if wanted <= 0:
                return offset, b""
            place = start % size
            data = os.pread(file, min(wanted, size - place), _HEADER.size + place)
            after = read_header(file)
            # A page that was overwritten during the read is discarded, and the newest one read instead.
            if after is not None and start >= after[1] - size:
                return start, data
            offset = total
    finally:
        os.close(file)


class StateWriter:
    """A supervisor's record of its work: a JSON object in a page of its own, overwritten in place."""

    def __init__(self, path: Path, state: dict[str, Any]) -> None:
        """Raises: OSError when there is no room: then the command must not start."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._state: dict[str, Any] = {}
        self.update(**state)

    def update(self, **changes: Any) -> None:
        """Change some of it, durably."""
        self._state |= changes
        text = json.dumps(self._state).encode()
        if len(text) > STATE_BYTES:
            raise OSError(f"The state has {len(text)} bytes.")
        os.pwrite(self._file, text.ljust(STATE_BYTES), 0)
        os.fsync(self._file)


def read_state(folder: Path) -> dict[str, Any]:
    """The last record of a work's supervisor; empty if there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((folder / STATE_FILE).read_bytes()[:STATE_BYTES])
        if isinstance(state, dict):
            return state
    return {}


def take_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock, to be inherited by a supervisor; None if another one has it.

    The kernel keeps the lock while any copy of the descriptor is open, so a held lock means a living
    supervisor, whatever became of process numbers. Raises: OSError.
    """
    file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def write_deadline(folder: Path, ends_at: float) -> None:
    """Say when the work is to end (`clocks.boot_seconds`). Raises: OSError."""
    draft = folder / f"{DEADLINE_FILE}.new"
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "w") as file:
        file.write(str(ends_at))
    draft.replace(folder / DEADLINE_FILE)


def read_deadline(folder: Path, default: float) -> float:
    """The time at which the work must end; the default if none can be read."""
    with contextlib.suppress(OSError, ValueError):
        return float((folder / DEADLINE_FILE).read_text())
    return default
