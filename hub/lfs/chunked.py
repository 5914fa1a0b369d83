"""Steps that keep objects as Xet files: their bytes came in chunks, and were verified by the Xet store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from foundation.batches import batches
from hub.accounts.models import User
from hub.lfs import links
from hub.lfs.models import LfsObject
from hub.repos import quotas
from hub.repos.locking import LockedRepository
from hub.xet import registration
from hub.xet.models import XetFile


def record_files(
    *,
    repository: LockedRepository,
    files: Iterable[XetFile],
    now: datetime,
    proposer: User | None = None,
) -> None:
    """Let a repository use objects that arrived as Xet files. The row of who pays is held as well.

    Raises: StorageQuotaExceeded.
    """
    by_oid = {file.sha256: file for file in files}
    for oids in batches(sorted(by_oid)):
        known = links.usable(repository.pk, None, oids)
        needed = sum(by_oid[oid].size for oid in oids if oid not in known)
        quotas.require_room_to_bring(proposer, repository, needed)
        # One statement that inserts or locks: the collector cannot take a row from under us.
        LfsObject.objects.bulk_create(
            [_object(by_oid[oid], now) for oid in oids],
            update_conflicts=True,
            update_fields=["touched_at"],
            unique_fields=["oid"],
        )
        for stored in LfsObject.objects.filter(pk__in=oids).order_by("pk"):
            if stored.xet_file_id is None or registration.is_damaged(stored.xet_file_id):
                switch(stored, by_oid[stored.oid])
            links.link_received(repository, stored, now, proposer=proposer)


def switch(stored: LfsObject, file: XetFile) -> None:
    """Store the object as these chunks, instead of one whole blob or damaged chunks.

    The next collection deletes bytes that no row names any more. Run this in a transaction that holds the
    object's row.
    """
    if stored.xet_file_id is not None:
        registration.unlink_everywhere(stored.xet_file_id)
    stored.xet_file, stored.blob_key = file, ""
    stored.save(update_fields=["xet_file", "blob_key"])
    for repository_id in stored.links.values_list("repository_id", flat=True):
        registration.link_files([file.pk], repository_id)


def _object(file: XetFile, now: datetime) -> LfsObject:
    return LfsObject(
        oid=file.sha256,
        size_bytes=file.size,
        xet_file=file,
        created_at=now,
        verified_at=now,
        touched_at=now,
    )
