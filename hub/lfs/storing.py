"""Steps that take bytes in: hash what arrives, keep it, write it down."""

from __future__ import annotations

import hashlib
import shutil
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Self

from django.db import transaction

from foundation import temporary_files
from hub.accounts.models import User
from hub.blobstore import StorageFull, get_store
from hub.lfs import links
from hub.lfs.errors import HashMismatch, SizeMismatch
from hub.lfs.models import LfsObject, upload_key
from hub.repos import locking, quotas

CHUNK_BYTES = 1024 * 1024
CHUNKS_BEHIND_MAX = 4
TEMPORARY_PREFIX = "lfs-"


def require_room_on_disk(size_bytes: int) -> None:
    """Refuse early what cannot fit, instead of after minutes of upload. Raises: StorageFull."""
    if shutil.disk_usage(temporary_files.folder()).free < size_bytes:
        raise StorageFull


def receive(read: Callable[[int], bytes], path: Path, *, oid: str, size_bytes: int) -> None:
    """Write what `read(n)` gives to a file, until it gives nothing.

    Raises: SizeMismatch as soon as too much came, or when too little did; HashMismatch.
    """
    count = 0
    with path.open("wb") as file, _HashBehind() as digest:
        while chunk := read(CHUNK_BYTES):
            count += len(chunk)
            if count > size_bytes:
                raise SizeMismatch(actual=count, expected=size_bytes)
            digest.update(chunk)
            file.write(chunk)
        if count != size_bytes:
            raise SizeMismatch(actual=count, expected=size_bytes)
        actual = digest.hexdigest()
    if actual != oid:
        raise HashMismatch(actual=actual, oid=oid)


class _HashBehind:
    """SHA-256 taken in a second thread, a few chunks behind, while the next ones arrive and are written."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._waiting: deque[Future[None]] = deque()

    def update(self, chunk: bytes) -> None:
        self._waiting.append(self._thread.submit(self._digest.update, chunk))
        if len(self._waiting) > CHUNKS_BEHIND_MAX:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        while self._waiting:
            self._waiting.popleft().result()
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)


def require_hash(chunks: Iterable[bytes], *, oid: str, size_bytes: int) -> None:
    """Raises: SizeMismatch, HashMismatch."""
    digest = hashlib.sha256()
    count = 0
    for chunk in chunks:
        digest.update(chunk)
        count += len(chunk)
    if count != size_bytes:
        raise SizeMismatch(actual=count, expected=size_bytes)
    if digest.hexdigest() != oid:
        raise HashMismatch(actual=digest.hexdigest(), oid=oid)


def new_blob_key(oid: str) -> str:
    """Return a key for one more copy of an object; no two copies share one."""
    return f"lfs/{oid[:2]}/{oid[2:4]}/{oid}.{upload_key()[:8]}"


def keep_file(
    *,
    repository_id: int,
    path: Path,
    oid: str,
    size_bytes: int,
    now: datetime,
    proposer: User | None = None,
) -> LfsObject:
    """Keep a local file whose hash is known to be `oid`, and let a repository use it.

    The file is taken away. Call it outside a transaction: bytes first, then the rows.
    Raises: StorageQuotaExceeded, StorageFull.
    """
    key = new_blob_key(oid)
    get_store().put_file(key, path)
    return record(
        repository_id=repository_id,
        oid=oid,
        size_bytes=size_bytes,
        blob_key=key,
        now=now,
        proposer=proposer,
    )


def record(
    *,
    repository_id: int,
    oid: str,
    size_bytes: int,
    blob_key: str,
    now: datetime,
    proposer: User | None = None,
) -> LfsObject:
    """Write down an object whose bytes lie under `blob_key`, and let a repository use it.

    With a proposer they count against that user, not against the repository's owner.

    When another upload of the same bytes was first, its copy stays and this one goes.
    Raises: StorageQuotaExceeded; then the bytes under `blob_key` are gone too.
    """
    try:
        with transaction.atomic():
            repository = locking.lock_for_bytes(repository_id, proposer=proposer)
            if not links.usable(repository.pk, None, [oid]):
                quotas.require_room_to_bring(proposer, repository, size_bytes)
            # One statement that inserts or locks: the collector cannot take the row from under us.
            LfsObject.objects.bulk_create(
                [
                    LfsObject(
                        oid=oid, size_bytes=size_bytes, blob_key=blob_key, created_at=now, touched_at=now
                    )
                ],
                update_conflicts=True,
                update_fields=["touched_at"],
                unique_fields=["oid"],
            )
            stored = LfsObject.objects.get(pk=oid)
            if not stored.has_bytes:
                stored.blob_key = blob_key
            stored.verified_at = now
            stored.save(update_fields=["blob_key", "verified_at"])
            links.link_received(repository, stored, now, proposer=proposer)
    except BaseException:
        get_store().delete(blob_key)
        raise
    if stored.blob_key != blob_key:
        get_store().delete(blob_key)
    return stored
