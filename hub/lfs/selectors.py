"""Reads of large objects. Readers never learn what holds the bytes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from django.db.models import Sum

from foundation.batches import batches
from foundation.byte_ranges import ReadRange
from hub.blobstore import BlobReader, get_store
from hub.lfs import links
from hub.lfs.errors import ObjectNotFound
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from hub.xet import reconstruction
from hub.xet import selectors as xet
from hub.xet.selectors import Usage


def get_object(*, repository_id: int, oid: str) -> LfsObject:
    """The object, if this repository may use it. The caller has checked that the actor may read the
    repository.

    Raises: ObjectNotFound.
    """
    linked = LfsObject.objects.filter(pk=oid, links__repository_id=repository_id)
    found = linked.select_related("xet_file").first()
    if found is None or not found.has_bytes:
        raise ObjectNotFound(oid=oid)
    return found


def objects_of(*, repository_id: int, oids: Collection[str]) -> dict[str, LfsObject]:
    """Those of `oids` that this repository may use."""
    sizes = links.usable(repository_id, None, oids)
    return LfsObject.objects.in_bulk(list(sizes))


def xet_hashes(*, repository_id: int, oids: Collection[str]) -> dict[str, str]:
    """Hashes of Xet files by oid, of those objects of the repository that are kept in chunks."""
    found: dict[str, str] = {}
    for batch in batches(oids):
        chunked = LfsObject.objects.filter(
            links__repository_id=repository_id, pk__in=batch, xet_file__isnull=False
        )
        found.update(chunked.values_list("pk", "xet_file__hash"))
    return found


def storage_of(*, repository: Repository) -> Usage:
    """The logical size of all large objects of a repository, and the bytes that are stored for them.

    Bytes that repositories share count in full for each of them.
    """
    mine = LfsObject.objects.filter(links__repository=repository)
    logical = mine.aggregate(total=Sum("size_bytes"))["total"] or 0
    whole = mine.exclude(blob_key="").aggregate(total=Sum("size_bytes"))["total"] or 0
    return Usage(logical, whole + xet.stored_bytes(repository))


def open_object(stored: LfsObject, start: int = 0, end: int | None = None) -> BlobReader:
    """Read bytes `start` up to but not including `end`, as a stream to be closed.

    Raises: BlobMissing, StoreUnreachable; XorbDamaged while reading.
    """
    if stored.blob_key:
        return get_store().open(stored.blob_key, start, end)
    assert stored.xet_file is not None
    return reconstruction.ChunkReader(stored.xet_file, start, end)


def range_reader(stored: LfsObject) -> ReadRange:
    """A reader of ranges of a large object. It raises StoreUnreachable and BlobMissing when it reads."""

    def read(start: int, length: int) -> bytes:
        end = min(start + length, stored.size_bytes)
        if start >= end:
            return b""
        with open_object(stored, start, end) as source:
            return b"".join(source)

    return read


def local_path(stored: LfsObject) -> Path | None:
    """The file that holds exactly these bytes, where there is one: then a server can send it by itself."""
    return get_store().local_path(stored.blob_key) if stored.blob_key else None


def presigned_url(
    stored: LfsObject, *, expires_seconds: int, disposition: str = "", content_type: str = ""
) -> str | None:
    """A URL at the object store that serves the bytes to anyone for a while, where it gives one."""
    if not stored.blob_key:
        return None
    return get_store().presign_get(
        stored.blob_key,
        expires_seconds=expires_seconds,
        disposition=disposition,
        content_type=content_type,
    )
