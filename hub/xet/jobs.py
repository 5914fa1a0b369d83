"""Jobs of the Xet store: they delete unused xorbs, and verify stored ones again.

A xorb is deleted in three steps. Unused for XET_KEEP_DAYS, it is quarantined: its bytes stay, and an upload
that refers to it takes it back. After XET_QUARANTINE_DAYS more it is marked as being deleted. Then its bytes
and its row are deleted. Each step checks again, in its own statement, that the xorb is still unused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat

from foundation.batches import batches
from hub import blobstore
from hub.repos import holds
from hub.xet import reconstruction, registration
from hub.xet.codec import xorbs
from hub.xet.codec.errors import Malformed
from hub.xet.codec.hashes import to_text
from hub.xet.intake import TEMPORARY_PREFIX
from hub.xet.models import Shard, XetFile, Xorb, XorbQuerySet, xorb_key

BATCH = 200
# Between storing bytes and writing their row lie seconds; a day is on the safe side.
STRAY_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Doomed:
    """Something that a collection takes away, and why. `size_bytes` is what this frees."""

    kind: str
    name: str
    size_bytes: int
    reason: str


def doomed(*, now: datetime) -> Iterator[Doomed]:
    """The result that a collection would have at this moment; nothing is changed."""
    for file in _unused_files(now).iterator():
        yield Doomed("xet file", file.hash, 0, "no repository has it; its xorbs follow in their time")
    for xorb in _to_quarantine(now).iterator():
        reason = (
            f"no file has used its {filesizeformat(xorb.stored_bytes)} for {settings.XET_KEEP_DAYS} days;"
            f" to quarantine for {settings.XET_QUARANTINE_DAYS} days, which frees nothing yet"
        )
        yield Doomed("xorb", xorb.hash, 0, reason)
    for xorb in _to_delete(now).iterator():
        reason = f"unused, and in quarantine since {xorb.state_since:%Y-%m-%d}"
        yield Doomed("xorb", xorb.hash, xorb.stored_bytes, reason)
    for shard in _unused_shards(now).iterator():
        yield Doomed("shard", shard.digest, shard.stored_bytes, "all its files are gone")
    for blob in _strays(now):
        yield Doomed("stray blob", blob.key, blob.size_bytes, "no row names it")
    for path in _unfinished(now):
        yield Doomed("unfinished upload", path.name, path.stat().st_size, "its process was killed")


def quarantined() -> tuple[int, int]:
    """The number of xorbs in quarantine, and their bytes."""
    held = Xorb.objects.filter(state=Xorb.State.QUARANTINED)
    return held.count(), held.aggregate(total=Sum("stored_bytes"))["total"] or 0


def collect(*, now: datetime) -> dict[str, int]:
    """Make every move that is due; returns counts by kind. Safe to run twice and beside uploads.

    Nothing while a backup holds collections.
    """
    if holds.is_held(now):
        return {}
    return {
        "files": _drop_files(now),
        "quarantined": _quarantine(now),
        "xorbs": _delete_xorbs(now),
        "shards": _drop_shards(now),
        "strays": _drop_strays(now),
        "unfinished": _drop_unfinished(now),
    }


def restore(*, names: list[str] | None, now: datetime) -> int:
    """Take xorbs out of quarantine, all of them without names; returns how many."""
    found = Xorb.objects.filter(state=Xorb.State.QUARANTINED)
    if names is not None:
        found = found.filter(pk__in=names)
    with transaction.atomic(durable=True):
        _hold(found)
        return found.update(state=Xorb.State.LIVE, state_since=now, last_seen_at=now)


# ---- files ------------------------------------------------------------------------------------------


def _unused_files(now: datetime) -> QuerySet[XetFile]:
    before = now - timedelta(hours=settings.LFS_GRACE_HOURS)
    return XetFile.objects.filter(links=None, last_seen_at__lt=before)


def _drop_files(now: datetime) -> int:
    count = 0
    for pk in list(_unused_files(now).values_list("pk", flat=True)):
        try:
            with transaction.atomic(durable=True):
                # Lock, then look again: a shard may have announced it between the two reads.
                list(XetFile.objects.select_for_update().filter(pk=pk).values_list("pk"))
                count += bool(_unused_files(now).filter(pk=pk).delete()[0])
        except ProtectedError:
            # An unlinked object still uses it until the object's own grace period is over.
            continue
    return count


# ---- xorbs ------------------------------------------------------------------------------------------


def _unused_xorbs(now: datetime) -> XorbQuerySet:
    before = now - timedelta(days=settings.XET_KEEP_DAYS)
    return Xorb.objects.filter(last_seen_at__lt=before).unreferenced().without_tables()


def _to_quarantine(now: datetime) -> XorbQuerySet:
    return _unused_xorbs(now).filter(state=Xorb.State.LIVE)


def _to_delete(now: datetime) -> XorbQuerySet:
    before = now - timedelta(days=settings.XET_QUARANTINE_DAYS)
    over = Q(state=Xorb.State.QUARANTINED) | Q(state=Xorb.State.DAMAGED)
    return _unused_xorbs(now).filter(over, state_since__lt=before)


def _hold(found: QuerySet[Xorb]) -> list[str]:
    """Lock the rows in the order in which uploads lock them; gives their names."""
    return list(found.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))


def _quarantine(now: datetime) -> int:
    with transaction.atomic(durable=True):
        names = _hold(_to_quarantine(now))
        count = 0
        for batch in batches(names, BATCH):
            due = _to_quarantine(now).filter(pk__in=batch)
            count += due.update(state=Xorb.State.QUARANTINED, state_since=now)
    return count


def _delete_xorbs(now: datetime) -> int:
    with transaction.atomic(durable=True):
        if holds.lock(now):
            return 0
        names = _hold(_to_delete(now))
        for batch in batches(names, BATCH):
            _to_delete(now).filter(pk__in=batch).update(state=Xorb.State.DELETING, state_since=now)
    # Also those that an earlier run did not come to.
    going = list(Xorb.objects.filter(state=Xorb.State.DELETING).values_list("pk", flat=True))
    for name in going:
        blobstore.get_store().delete(xorb_key(name))
        with transaction.atomic(durable=True):
            Xorb.objects.filter(pk=name, state=Xorb.State.DELETING).delete()
    return len(going)


# ---- shards and strays ------------------------------------------------------------------------------


def _unused_shards(now: datetime) -> QuerySet[Shard]:
    return Shard.objects.filter(files=None, created_at__lt=now - STRAY_AFTER)


def _drop_shards(now: datetime) -> int:
    with transaction.atomic(durable=True):
        if holds.lock(now):
            return 0
        gone = list(_unused_shards(now).order_by("pk").select_for_update(of=("self",)))
        Shard.objects.filter(pk__in=[shard.pk for shard in gone], files=None).delete()
    for shard in gone:
        blobstore.get_store().delete(shard.key)
    return len(gone)


def _strays(now: datetime) -> Iterator[blobstore.Blob]:
    for kind in ("xorbs", "shards"):
        old = (blob for blob in blobstore.get_store().list(kind) if blob.modified_at < now - STRAY_AFTER)
        for batch in batches(old):
            names = [blob.key.rpartition("/")[2] for blob in batch]
            known: set[str] = set()
            if kind == "xorbs":
                known.update(Xorb.objects.filter(pk__in=names).values_list("pk", flat=True))
            else:
                known.update(Shard.objects.filter(digest__in=names).values_list("digest", flat=True))
            yield from (blob for blob, name in zip(batch, names, strict=True) if name not in known)


def _drop_strays(now: datetime) -> int:
    count = 0
    for blob in _strays(now):
        # At once: somebody may be sending the same again.
        blobstore.get_store().delete(blob.key)
        count += 1
    return count


def _drop_unfinished(now: datetime) -> int:
    """Files that an interrupted upload left behind: the process that wrote them was killed."""
    count = 0
    for path in _unfinished(now):
        path.unlink(missing_ok=True)
        count += 1
    return count


def _unfinished(now: datetime) -> Iterator[Path]:
    for path in Path(settings.TEMP_ROOT).glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < (now - STRAY_AFTER).timestamp():
                yield path


# ---- scrub ------------------------------------------------------------------------------------------


def scrub(*, now: datetime, everything: bool = False) -> tuple[int, list[str]]:
    """Read again the xorbs that were not verified for XET_SCRUB_DAYS, or all, the longest ago first.

    Damaged ones are read too: put back from a backup, they are taken back.
    Returns how many were read, and the names of those that are damaged.
    """
    before = now if everything else now - timedelta(days=settings.XET_SCRUB_DAYS)
    kept = Xorb.objects.exclude(state=Xorb.State.DELETING)
    due = kept.filter(Q(verified_at__lt=before) | Q(state=Xorb.State.DAMAGED)).order_by("verified_at")
    damaged, count = [], 0
    for name in list(due.values_list("pk", flat=True)):
        count += 1
        if not verify_stored(name, now=now) and Xorb.objects.filter(pk=name).exists():
            damaged.append(name)
    return count, damaged


def verify_stored(name: str, *, now: datetime) -> bool:
    """Verify the stored bytes of a xorb by its name, and record the result in its row. Returns True if they
    are intact.

    Raises StoreUnreachable.
    """
    try:
        with blobstore.get_store().open(xorb_key(name)) as reader:
            layout = xorbs.read_layout(reader.read)
    except (blobstore.BlobMissing, Malformed):
        layout = None
    if layout is None or to_text(xorbs.layout_hash(layout)) != name:
        reconstruction.mark_damaged(name)
        return False
    registration.adopt_layout(name, layout, now=now)
    return True
