"""Jobs that delete unused data: abandoned uploads, unused links, unlinked objects, stray bytes."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from foundation.batches import batches
from foundation.database.pages import page_by_page
from foundation.errors import DeletedMeanwhile, Refusal
from hub.blobstore import Blob, get_store
from hub.lfs import chunked, links, selectors
from hub.lfs.models import LfsLink, LfsObject, LfsUpload
from hub.repos import holds, locking
from hub.xet import packing
from hub.xet.intake import TEMPORARY_PREFIX
from hub.xet.jobs import Doomed

BATCH = 200
CONVERTED_AT_ONCE = 1000
UNFINISHED_AFTER = timedelta(days=1)

logger = logging.getLogger(__name__)


def collect(*, now: datetime) -> dict[str, int]:
    """Remove what has been unused for the grace period; return counts by kind. Safe to run twice.

    Nothing while a backup holds collections.
    """
    if holds.is_held(now):
        return {}
    before = now - timedelta(hours=settings.LFS_GRACE_HOURS)
    return {
        "uploads": discard_uploads(before=before),
        "links": drop_unpushed(before=before),
        "objects": drop_unlinked(before=before, now=now),
        "blobs": drop_strays(before=before),
        "temporary": drop_unfinished(now=now),
    }


def drop_unfinished(*, now: datetime) -> int:
    """Remove temporary files and folders that nothing has written to for a day; return how many.

    Processes remove their temporary files, unless they are killed. The Xet store removes its own.
    """
    count = 0
    for path in _unfinished(now):
        with suppress(FileNotFoundError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            count += 1
    return count


def _unfinished(now: datetime) -> Iterator[Path]:
    folder = Path(settings.TEMP_ROOT)
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            is_old = path.stat().st_mtime < (now - UNFINISHED_AFTER).timestamp()
            if is_old and not path.name.startswith(TEMPORARY_PREFIX):
                yield path


def doomed(*, now: datetime) -> Iterator[Doomed]:
    """The result that `collect` would have at this moment; nothing is changed."""
    before = now - timedelta(hours=settings.LFS_GRACE_HOURS)
    for upload in LfsUpload.objects.filter(created_at__lt=before).iterator():
        yield Doomed("lfs upload", upload.oid, 0, f"nobody finished it since {upload.created_at:%Y-%m-%d}")
    unpushed = LfsLink.objects.filter(pushed_at=None, created_at__lt=before).select_related("repository")
    for link in unpushed.iterator():
        yield Doomed("lfs link", link.object_id, 0, f"sent to {link.repository}, never committed")
    for stored in LfsObject.objects.untouched_since(before).unlinked().iterator():
        size = stored.size_bytes if stored.blob_key else 0
        yield Doomed("lfs object", stored.oid, size, "no repository has it")
    for blob in _strays(before):
        yield Doomed("stray blob", blob.key, blob.size_bytes, "no row names it")
    for path in _unfinished(now):
        yield Doomed("temporary", path.name, path.stat().st_size, "left behind by a process that was killed")


def convert(*, now: datetime, limit: int = CONVERTED_AT_ONCE) -> int:
    """Cut whole objects into chunks, the oldest first; returns how many. Safe to run twice.

    An object switches over only after its chunks were read back and hashed to its oid.
    """
    whole = LfsObject.objects.filter(xet_file=None, size_bytes__gt=0).exclude(blob_key="")
    count = 0
    for stored in list(whole.order_by("created_at")[:limit]):
        try:
            with selectors.open_object(stored) as reader:
                file = packing.pack(reader.read, sha256=stored.oid, now=now)
        except Refusal:
            logger.exception("lfs_conversion_failed oid=%s", stored.oid)
            continue
        with transaction.atomic(durable=True):
            held = LfsObject.objects.select_for_update().filter(pk=stored.pk, xet_file=None).first()
            if held is not None:
                chunked.switch(held, file)
                count += 1
    return count


def discard_uploads(*, before: datetime) -> int:
    """Delete uploads that were not finished."""
    store = get_store()
    count = 0
    for upload in page_by_page(LfsUpload.objects.filter(created_at__lt=before)):
        if upload.store_upload_id:
            store.abort_upload(upload.staging_key, upload.store_upload_id)
        store.delete(upload.staging_key)
        count += LfsUpload.objects.filter(pk=upload.pk).delete()[0]
    return count + store.discard_unfinished(before)


def drop_unpushed(*, before: datetime) -> int:
    """Take away from repositories what was sent to them but never committed."""
    count = 0
    stale = LfsLink.objects.filter(pushed_at=None, created_at__lt=before)
    for repository_id in stale.order_by().values_list("repository_id", flat=True).distinct():
        with transaction.atomic(durable=True):
            try:
                repository = locking.lock_repository(repository_id)
            except DeletedMeanwhile:
                continue  # it was purged meanwhile, and its links with it
            oids = list(stale.filter(repository=repository).values_list("object_id", flat=True))
            links.unlink(repository, oids)
        count += len(oids)
    return count


def drop_unlinked(*, before: datetime, now: datetime) -> int:
    """Remove objects that no repository links. The row goes first, then its own copy of the bytes."""
    count = 0
    while True:
        with transaction.atomic(durable=True):
            if holds.lock(now):
                return count
            stale = LfsObject.objects.untouched_since(before)
            candidates = list(stale.unlinked().values_list("pk", flat=True)[:BATCH])
            # Lock, then look again: a commit may have linked one between the two reads.
            locked = LfsObject.objects.select_for_update().filter(pk__in=candidates).order_by("pk")
            list(locked.values_list("pk", flat=True))
            doomed = dict(stale.unlinked().filter(pk__in=candidates).values_list("pk", "blob_key"))
            LfsObject.objects.filter(pk__in=doomed).delete()
        for key in doomed.values():
            if key:
                get_store().delete(key)
        count += len(doomed)
        if len(doomed) < BATCH:
            return count


def drop_strays(*, before: datetime) -> int:
    """Remove bytes that no row names: a crash between storing bytes and writing the row leaves them."""
    count = 0
    for blob in _strays(before):
        get_store().delete(blob.key)
        count += 1
    return count


def _strays(before: datetime) -> Iterator[Blob]:
    store = get_store()
    old = (blob for blob in store.list("lfs") if blob.modified_at < before)
    for batch in batches(old, BATCH):
        keys = [blob.key for blob in batch]
        known = set(LfsObject.objects.filter(blob_key__in=keys).values_list("blob_key", flat=True))
        yield from (blob for blob in batch if blob.key not in known)
    staged = {upload.staging_key for upload in LfsUpload.objects.only("pk")}
    for blob in store.list("uploads"):
        if blob.modified_at < before and blob.key not in staged:
            yield blob
