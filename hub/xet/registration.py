"""Steps of taking in xorbs and files: rows, under the locks that collection respects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TypeVar

from django.db.models import Exists, OuterRef, Q

from foundation.batches import batches
from hub import blobstore
from hub.accounts.principals import Principal
from hub.xet.codec import hashes
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import Shard, ShardFile
from hub.xet.codec.xorbs import Layout
from hub.xet.errors import InvalidShard, UnknownXorb, XorbBusy
from hub.xet.layouts import Layouts
from hub.xet.models import ChunkEntry, XetFile, XetFileLink, XetTerm, Xorb, XorbSender
from hub.xet.models import Shard as ShardRow

Item = TypeVar("Item")


def claim_xorb(name: str, *, now: datetime) -> bool:
    """True if the bytes of a xorb are stored. Its time before collection then begins anew.

    Raises XorbBusy while it is being deleted.
    """
    xorbs = Xorb.objects.filter(pk=name)
    xorbs.exclude(state=Xorb.State.DELETING).update(last_seen_at=now)
    state = xorbs.values_list("state", flat=True).first()
    if state == Xorb.State.DELETING:
        raise XorbBusy
    return state in {Xorb.State.LIVE, Xorb.State.QUARANTINED}


def record_xorb(name: str, layout: Layout, *, now: datetime) -> Xorb:
    """The row of a xorb whose bytes are in the store; takes it out of quarantine. Needs a transaction.

    Raises XorbBusy.
    """
    made, is_new = Xorb.objects.get_or_create(
        pk=name,
        defaults={
            "stored_bytes": layout.stored_bytes,
            "raw_bytes": layout.raw_bytes,
            "chunk_count": len(layout),
            "chunk_hashes": layout.hashes,
            "stored_ends": layout.pack_stored_ends(),
            "raw_ends": layout.pack_raw_ends(),
            "state_since": now,
            "created_at": now,
            "last_seen_at": now,
            "verified_at": now,
        },
    )
    if is_new:
        return made
    xorb = Xorb.objects.select_for_update().filter(pk=name).first()
    if xorb is None or xorb.state == Xorb.State.DELETING:
        # Collection deletes it now, or has just done so.
        raise XorbBusy
    if xorb.state == Xorb.State.DAMAGED:
        # Other compression gives other offsets under the same name.
        xorb.stored_bytes = layout.stored_bytes
        xorb.stored_ends = layout.pack_stored_ends()
        xorb.verified_at = now
    if xorb.state != Xorb.State.LIVE:
        xorb.state, xorb.state_since = Xorb.State.LIVE, now
    xorb.last_seen_at = now
    xorb.save()
    return xorb


def record_sender(xorb: Xorb, actor: Principal) -> bool:
    """Record that the actor has uploaded all bytes of a xorb; returns true the first time."""
    return actor.user is not None and XorbSender.objects.get_or_create(xorb=xorb, user=actor.user)[1]


def lock_xorbs(names: Iterable[str], *, now: datetime) -> None:
    """Hold the rows of xorbs until the transaction ends, fresh and out of quarantine.

    Raises UnknownXorb when one went away meanwhile.
    """
    for batch in batches(sorted(names)):
        held = touch_xorbs(batch, now=now)
        for name in batch:
            if name not in held:
                raise UnknownXorb(xorb=name)
        quarantined = Xorb.objects.filter(pk__in=batch, state=Xorb.State.QUARANTINED)
        quarantined.update(state=Xorb.State.LIVE, state_since=now)


def unverified(files: Sequence[ShardFile]) -> list[ShardFile]:
    """Those whose SHA-256 has not been computed here before from sound bytes; each once.

    Raises InvalidShard when one claims another SHA-256 than was found before.
    """
    by_name = {to_text(file.hash): file for file in files}
    for file in files:
        if by_name[to_text(file.hash)].sha256 != file.sha256:
            raise InvalidShard(reason=f"File {to_text(file.hash)} is announced with two SHA-256.")
    for batch in batches(list(by_name)):
        for known in XetFile.objects.filter(_is_sound(), hash__in=batch).values_list("hash", "sha256"):
            claimed = by_name.pop(known[0]).sha256
            if claimed is None or claimed.hex() != known[1]:
                raise InvalidShard(reason=f"File {known[0]} has another SHA-256 than the shard says.")
    return list(by_name.values())


def touch_xorbs(names: Iterable[str], *, now: datetime) -> set[str]:
    """Hold the rows of those xorbs that are usable, and keep them for the usual time from now on.

    They are held in the order of their names, as everybody does: an update alone takes rows as it finds
    them. Needs a transaction.
    """
    usable = Xorb.objects.usable().filter(pk__in=names).order_by("pk")
    held = set(usable.select_for_update().values_list("pk", flat=True))
    Xorb.objects.filter(pk__in=held).update(last_seen_at=now)
    return held


def is_damaged(file: int) -> bool:
    """True if a part of the file (by primary key) lies in a damaged xorb."""
    return XetTerm.objects.filter(file=file, xorb__state=Xorb.State.DAMAGED).exists()


def _is_sound() -> Q:
    broken = XetTerm.objects.filter(file=OuterRef("pk"), xorb__state=Xorb.State.DAMAGED)
    return ~Q(Exists(broken))


def keep_shard(digest: str, file: IO[bytes], *, now: datetime) -> ShardRow:
    """Put the bytes of a shard into the store; the row is not saved yet."""
    row = ShardRow(digest=digest, stored_bytes=file.tell(), created_at=now)
    with blobstore.refusing_when_full():
        blobstore.get_store().put_file(row.key, Path(file.name))
    return row


def record_shard(row: ShardRow) -> ShardRow:
    """Save the row of a shard unless there is one."""
    ShardRow.objects.filter(digest=row.digest).update(created_at=row.created_at)
    defaults = {"stored_bytes": row.stored_bytes, "created_at": row.created_at}
    return ShardRow.objects.get_or_create(digest=row.digest, defaults=defaults)[0]


def record_files(shard: Shard, row: ShardRow | None, layouts: Layouts, *, now: datetime) -> list[XetFile]:
    """Rows of all files of a verified shard, and the entries under which their chunks are found."""
    in_order = sorted(shard.files, key=lambda file: file.hash)
    files = [_record_file(file, row, layouts, now=now) for file in in_order]
    entries = [
        (to_text(name), to_text(xorb.hash))
        for xorb in shard.xorbs
        for name in _split(xorb.chunk_hashes)
        if hashes.is_eligible(name)
    ]
    record_entries(entries)
    return files


def _record_file(file: ShardFile, row: ShardRow | None, layouts: Layouts, *, now: datetime) -> XetFile:
    if file.sha256 is None:
        raise InvalidShard(reason="A file comes without its SHA-256.")
    # The update locks a row that is there: collection looks again after it.
    XetFile.objects.filter(hash=to_text(file.hash)).update(last_seen_at=now)
    found, is_new = XetFile.objects.get_or_create(
        hash=to_text(file.hash),
        defaults={
            "sha256": file.sha256.hex(),
            "size": file.size,
            "shard": row,
            "created_at": now,
            "last_seen_at": now,
        },
    )
    if not is_new:
        if not is_damaged(found.pk):
            return found
        # The same bytes came again, from sound xorbs: the file is whole again.
        found.terms.all().delete()
    first = next(iter(file.terms))
    record_entries(
        [
            (
                to_text(layouts[to_text(first.xorb)].chunk_hashes(first.first, first.first + 1)),
                to_text(first.xorb),
            )
        ]
    )
    for batch in batches(_terms(found, file)):
        XetTerm.objects.bulk_create(batch)
    return found


def _terms(found: XetFile, file: ShardFile) -> Iterator[XetTerm]:
    start = 0
    for term in file.terms:
        yield XetTerm(
            file=found,
            start_byte=start,
            raw_bytes=term.raw_bytes,
            xorb_id=to_text(term.xorb),
            first_chunk=term.first,
            end_chunk=term.end,
        )
        start += term.raw_bytes


def record_entries(entries: Iterable[tuple[str, str]]) -> None:
    """Make chunks findable: (chunk, xorb) pairs."""
    for batch in batches(entries):
        ChunkEntry.objects.bulk_create(
            [ChunkEntry(chunk=chunk, xorb_id=xorb) for chunk, xorb in batch], ignore_conflicts=True
        )


def count_unlinked(files: Iterable[int], repository_id: int) -> int:
    """The number of the files (by primary key) that are not in the repository yet."""
    return sum(
        len(batch) - XetFileLink.objects.filter(file__in=batch, repository=repository_id).count()
        for batch in batches(set(files))
    )


def adopt_layout(name: str, layout: Layout, *, now: datetime) -> None:
    """Write down that the stored bytes of a xorb were read and are right, and where its chunks lie in them.

    Other compression gives other offsets under the same name: what counts is what is stored.
    """
    Xorb.objects.filter(pk=name).update(
        verified_at=now, stored_bytes=layout.stored_bytes, stored_ends=layout.pack_stored_ends()
    )
    Xorb.objects.filter(pk=name, state=Xorb.State.DAMAGED).update(state=Xorb.State.LIVE, state_since=now)


def link_files(files: Iterable[int], repository_id: int) -> None:
    """Let users who may read the repository use the files (by primary key)."""
    for batch in batches(files):
        XetFileLink.objects.bulk_create(
            [XetFileLink(file_id=file, repository_id=repository_id) for file in batch], ignore_conflicts=True
        )


def unlink_files(files: Iterable[int], repository_id: int) -> None:
    """Remove files from a repository; collection deletes those without a repository."""
    for batch in batches(files):
        XetFileLink.objects.filter(file__in=batch, repository_id=repository_id).delete()


def unlink_everywhere(file: int) -> None:
    """Take a file away from all repositories: their object is kept in another form."""
    XetFileLink.objects.filter(file=file).delete()


def _split(names: bytes) -> Iterator[bytes]:
    width = hashes.HASH_BYTES
    return (names[at : at + width] for at in range(0, len(names), width))
