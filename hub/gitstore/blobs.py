"""Blobs of one commit: a few are written one by one, the rest of many as a pack."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pygit2

from hub.gitstore import packs

# So many blobs are written one by one, each with a sync of its own; if there are more, the rest becomes a
# pack.
LOOSE_MAX = 16


class BlobWriter:
    """Writes blobs of one commit. All are in the repository, and on the disk, once its context has ended.

    A context that ends with an error removes what it can; the first blobs stay, which no commit names.
    Outside of its context each blob is written by itself, so that none waits for an end that does not come.
    """

    def __init__(self, raw: pygit2.Repository) -> None:
        self._raw = raw
        self._pack: packs.GrowingPack | None = None
        self._loose: set[str] = set()
        self._is_open = False

    def add(self, data: bytes) -> str:
        """Write a blob; returns its id in hex. Raises: OSError."""
        if not self._is_open or len(self._loose) < LOOSE_MAX:
            oid = str(self._raw.create_blob(data))
            self._loose.add(oid)
            return oid
        if self._pack is None:
            self._pack = packs.GrowingPack(Path(self._raw.path))
        oid = self._pack.add(packs.BLOB, data).hex()
        if self._pack.is_full:
            self._publish()
        return oid

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        if kind is None:
            self._publish()
        elif self._pack is not None:
            self._pack.discard()

    def _publish(self) -> None:
        pack, self._pack = self._pack, None
        if pack is not None:
            pack.publish()
