"""Stores the bytes of a coming commit, before any lock is taken.

Bytes that are staged and never committed are harmless: `git gc` deletes loose blobs, and the collection of
unlinked objects deletes large ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from hub import gitstore
from hub.accounts.models import User
from hub.blobstore import refusing_when_full, temporary_file
from hub.gitstore.paths import require_path
from hub.gitstore.values import POINTER_SIZE_MAX, Pointer
from hub.lfs import storing
from hub.repos import quotas
from hub.repos.models import Repository
from hub.revisions import attributes
from hub.revisions.operations import AddBlob, AddLfs
from hub.revisions.uploads import UploadRule

# Content up to this size is kept in memory on its way into git.
MEMORY_BYTES_MAX = 1 << 20
# A commit may have any number of files: each brings the work of some hundred patterns.
PATTERN_STEPS_A_FILE = 100_000
GITATTRIBUTES = attributes.NAME.decode()


class Staging:
    """Takes the content of the files of one coming commit, one after another, as streams of bytes.

    It is a context manager: all content is in the repository, and on the disk, once the context has ended.
    Used without its context, each file is there as soon as it is added, with a sync of its own.
    """

    def __init__(
        self,
        *,
        repository: Repository,
        commit: str | None,
        now: datetime,
        proposer: User | None = None,
    ) -> None:
        """`commit` is where the `.gitattributes` that decide about LFS are read; None: a new one's.

        With a proposer (`quotas.proposer_of`) the bytes count against that user, not the owner.
        """
        self.repository, self.commit, self.now, self.proposer = repository, commit, now, proposer
        self.git = gitstore.open_repository(repository.storage)
        self._rule = UploadRule(self.git, commit)
        self._blobs = self.git.blob_writer()

    def __enter__(self) -> Self:
        self._blobs.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises: StorageFull."""
        with refusing_when_full():
            self._blobs.__exit__(kind, error, traceback)

    def add(self, path: str, chunks: Iterable[bytes]) -> AddBlob | AddLfs:
        """Store a file's content as `UploadRule` decides, without a sample: as an LFS object or a blob.

        A `.gitattributes` counts for the files that are added after it. A pointer that a client sends in
        place of content stays the pointer it is.
        Raises: InvalidPath, StorageQuotaExceeded, StorageFull, TooManyPatterns.
        """
        require_path(path)
        held = bytearray()
        rest = iter(chunks)
        for chunk in rest:
            held += chunk
            if len(held) > MEMORY_BYTES_MAX:
                return self._add_large(path, bytes(held), rest)
        data = bytes(held)
        if len(data) <= POINTER_SIZE_MAX and (pointer := Pointer.parse(data)):
            return AddLfs(path=path, oid=pointer.oid, size=pointer.size)
        if self._is_large(path, len(data)):
            return self._add_large(path, data, iter(()))
        if path == GITATTRIBUTES:
            self._rule.give(data)
        with refusing_when_full():
            return AddBlob(path=path, blob=self._blobs.add(data), size=len(data))

    def _is_large(self, path: str, size: int) -> bool:
        self._rule.budget.add(PATTERN_STEPS_A_FILE)
        return self._rule.is_large(path, size)

    def _add_large(self, path: str, first: bytes, rest: Iterable[bytes]) -> AddBlob | AddLfs:
        """By way of a file on disk, so that memory stays flat however much comes."""
        with temporary_file(storing.TEMPORARY_PREFIX) as file:
            digest, size = hashlib.sha256(first), len(first)
            file.write(first)
            for chunk in rest:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            temporary = Path(file.name)
            quotas.require_room_to_bring(self.proposer, self.repository, size)
            if self._is_large(path, size):
                oid = digest.hexdigest()
                storing.keep_file(
                    repository_id=self.repository.pk,
                    path=temporary,
                    oid=oid,
                    size_bytes=size,
                    now=self.now,
                    proposer=self.proposer,
                )
                return AddLfs(path=path, oid=oid, size=size)
            return AddBlob(path=path, blob=self.git.write_blob_from(temporary), size=size)
