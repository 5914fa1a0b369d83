"""Objects that another node wrote just now, and that this node's file system does not show yet (ADR 0209)."""

from __future__ import annotations

import time
from pathlib import Path

import pygit2

from hub.gitstore.errors import ObjectNotVisible

LOOKS = 3
# All looks together take a tenth of a second.
PAUSE_SECONDS = 0.05
# libgit2 asks backends by priority; its own have 1 and 2.
PRIORITY = -10


class LateObjects(pygit2.OdbBackend):
    """The last source of a repository's objects: it is asked for those that no other has, and looks again.

    Its own errors pass through libgit2, so that every reader of a missing object gets ObjectNotVisible.
    """

    def __init__(self, objects: Path) -> None:
        super().__init__()
        self._objects = objects

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        """The type and content of an object. Raises: ObjectNotVisible."""
        kind, data = self._look(oid).read(oid)[:2]
        return kind, data

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        """The type of an object, and its size in bytes. Raises: ObjectNotVisible."""
        return self._look(oid).read_header(oid)

    def exists_cb(self, _oid: pygit2.Oid) -> bool:
        """Asked before an object is written; writing one that is there does no harm."""
        return False

    def read_prefix_cb(self, prefix: pygit2.Oid) -> tuple[int, bytes, pygit2.Oid]:
        """Asked if a short id is ambiguous; what is not visible yet makes none ambiguous."""
        raise KeyError(prefix)

    def exists_prefix_cb(self, prefix: pygit2.Oid) -> pygit2.Oid:
        """As `read_prefix_cb`."""
        raise KeyError(prefix)

    def refresh_cb(self) -> None:
        """Each look opens the folder anew."""

    def _look(self, oid: pygit2.Oid) -> pygit2.Odb:
        for number in range(LOOKS):
            if number:
                time.sleep(PAUSE_SECONDS)
            fresh = pygit2.Odb(str(self._objects))
            if oid in fresh:
                return fresh
        raise ObjectNotVisible(retry_after_s=1)
