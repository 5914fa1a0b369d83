"""Brings the bytes of a coming commit to where they belong, before anybody takes a lock.

What is staged and never committed is harmless: loose blobs that `git gc` drops, large objects that
the collection of unlinked ones drops.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings

from hub import gitstore
from hub.gitstore.paths import require_path
from hub.accounts.principals import Principal
from hub.lfs import services as lfs
from hub.repos.models import Repository
from hub.revisions.attributes import is_lfs_path
from hub.revisions.operations import AddBlob, AddLfs

# Content up to this size is kept in memory on its way into git.
MEMORY_BYTES_MAX = 1 << 20


class Staging:
    """Takes the content of files of one coming commit, one after another, as streams of bytes."""

    def __init__(self, *, actor: Principal, repository: Repository, commit: str | None, now: datetime) -> None:
        """`commit` is where the `.gitattributes` that decide about LFS are read; None: the new file rules."""
        self.actor, self.repository, self.commit, self.now = actor, repository, commit, now
        self.git = gitstore.open_repository(repository.storage)

    def add(self, path: str, chunks: Iterable[bytes]) -> AddBlob | AddLfs:
        """Store a file's content: as an LFS object when it is large or its path is tracked by LFS.

        A pointer that a client sends in place of content stays the pointer it is.
        Raises: InvalidPath, StorageQuotaExceeded, Unavailable (disk full).
        """
        require_path(path)
        Path(settings.TEMP_ROOT).mkdir(parents=True, exist_ok=True)
        with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX, dir=settings.TEMP_ROOT) as file:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                file.write(chunk)
            file.seek(0)
            if size <= gitstore.values.POINTER_SIZE_MAX:
                data = file.read()
                if pointer := gitstore.Pointer.parse(data):
                    return AddLfs(path=path, oid=pointer.oid, size=pointer.size)
                file.seek(0)
            if size and (size > settings.LFS_THRESHOLD_BYTES or is_lfs_path(self.git, self.commit, path)):
                stored = lfs.store_stream(
                    actor=self.actor,
                    repository=self.repository,
                    chunks=iter(lambda: file.read(1 << 20), b""),
                    now=self.now,
                )
                return AddLfs(path=path, oid=stored.oid, size=stored.size_bytes)
            file.rollover() if size > MEMORY_BYTES_MAX else None
            blob = self._write_blob(file, size)
        return AddBlob(path=path, blob=blob, size=size)

    def _write_blob(self, file: tempfile.SpooledTemporaryFile[bytes], size: int) -> str:
        if size <= MEMORY_BYTES_MAX:
            return self.git.write_blob(file.read())
        file.flush()
        # libgit2 streams a file by name; an unlinked one still has a name under /dev/fd or /proc.
        return self.git.write_blob_from(Path(f"/dev/fd/{file.fileno()}") if os.name == "posix" else Path(file.name))
