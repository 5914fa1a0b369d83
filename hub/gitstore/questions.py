"""The questions of the hooks of `git receive-pack`, read piece by piece as they come through a pipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from foundation import hex_digits
from hub.gitstore.errors import GitFailed
from hub.gitstore.values import RefUpdate

NULL_SHA = "0" * 40
# A question of `pre-receive` ends with this byte: no ref's name and no folder's can hold it.
END = b"\0"
_UPDATE = re.compile(rf"({hex_digits.pattern(40)}) ({hex_digits.pattern(40)}) ([^\n]+)")


@dataclass(frozen=True, slots=True)
class Push:
    """The request of a push. `objects` is the folder in which its new objects wait, if it brought any.

    `is_atomic`: the refs move all or none. It is known once they are to move.
    """

    changes: list[RefUpdate]
    objects: Path | None = None
    is_atomic: bool = False


class Question:
    """One question. `hook` is the hook that asks, once that is known.

    Each byte is looked at once, however small the pieces are in which it comes.
    """

    def __init__(self) -> None:
        self.hook = b""
        self._data = bytearray()
        # The position behind what is read.
        self._at = 0
        # The lists of pkt-lines of `proc-receive`: capabilities, then commands.
        self._lists: list[list[bytes]] = [[]]

    def add(self, piece: bytes) -> Push | None:
        """The push, once the question is whole; until then None. Raises: GitFailed for what no hook sends."""
        self._data += piece
        if not self.hook:
            end = self._data.find(b"\n", self._at)
            if end < 0:
                self._at = len(self._data)
                return None
            self.hook, self._at = bytes(self._data[:end]), end + 1
        if self.hook == b"pre-receive":
            return self._add_lines()
        if self.hook == b"proc-receive":
            return self._add_pkt_lines()
        raise GitFailed from ValueError(f"a question of the hook {self.hook[:100]!r}")

    def _add_lines(self) -> Push | None:
        """A line for the quarantine folder, and a line for each ref."""
        end = self._data.find(END, self._at)
        if end < 0:
            self._at = len(self._data)
            return None
        text = self._data[len("pre-receive\n") : end].decode(errors="surrogateescape")
        objects, *lines = text.removesuffix("\n").split("\n")
        return Push([_update(line) for line in lines], Path(objects) if objects else None)

    def _add_pkt_lines(self) -> Push | None:
        """Two lists of pkt-lines, capabilities and commands, each with an empty line at its end."""
        while len(self._lists) <= 2:
            if len(self._data) - self._at < 4:
                return None
            size = _size(self._data[self._at : self._at + 4])
            if size == 0:
                self._lists.append([])
                self._at += 4
                continue
            if len(self._data) - self._at < size:
                return None
            self._lists[-1].append(bytes(self._data[self._at + 4 : self._at + size]))
            self._at += size
        capabilities = b" ".join(line.rstrip(b"\n").partition(b"\0")[2] for line in self._lists[0])
        commands = [line.decode(errors="surrogateescape").rstrip("\n") for line in self._lists[1]]
        return Push([_update(line) for line in commands], is_atomic=b"atomic" in capabilities.split())


def _size(digits: bytes | bytearray) -> int:
    """The length of a pkt-line with its four digits; 0 ends a list. Raises: GitFailed."""
    try:
        size = int(digits, 16)
    except ValueError as error:
        raise GitFailed from error
    if 0 < size < 4:
        raise GitFailed from ValueError(f"a line of {size} bytes")
    return size


def _update(line: str) -> RefUpdate:
    found = _UPDATE.fullmatch(line)
    if found is None:
        raise GitFailed from ValueError(f"no command: {line[:200]!r}")
    old, new, ref = found.groups()
    return RefUpdate(ref, None if old == NULL_SHA else old, None if new == NULL_SHA else new)
