"""Reads of large objects. Readers never learn what holds the bytes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from django.db.models import QuerySet

from hub.blobstore import BlobReader, get_store
from hub.lfs import links
from hub.lfs.errors import ObjectNotFound
from hub.lfs.models import LfsLink, LfsObject


def get_object(*, repository_id: int, oid: str) -> LfsObject:
    """The object, if this repository may use it. Whether the actor may read the repository is asked before.

    Raises: ObjectNotFound.
    """
    found = LfsObject.objects.filter(pk=oid, links__repository_id=repository_id).first()
    if found is None or not found.has_bytes:
        raise ObjectNotFound(oid=oid)
    return found


def objects_of(*, repository_id: int, oids: Collection[str]) -> dict[str, LfsObject]:
    """Those of `oids` that this repository may use."""
    sizes = links.usable(repository_id, None, oids)
    return LfsObject.objects.in_bulk(list(sizes))


def links_of(*, repository_id: int) -> QuerySet[LfsLink]:
    """All that a repository uses, newest first, the objects loaded."""
    return (
        LfsLink.objects.filter(repository_id=repository_id)
        .select_related("object")
        .order_by("-created_at", "-pk")
    )


def open_object(stored: LfsObject, start: int = 0, end: int | None = None) -> BlobReader:
    """Read bytes `start` up to but not including `end`, as a stream to be closed.

    Raises: BlobMissing, StoreUnreachable.
    """
    return get_store().open(stored.blob_key, start, end)


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
