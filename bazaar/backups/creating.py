"""Making a backup, beside everything that runs.

The order is what makes it consistent: rows, among them refs, then content. The content that they name
exists when they are read, and nothing is collected meanwhile (`hub.repos.holds`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

import bazaar
from bazaar.backups import database, git_files, marks
from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.names import SECRETS
from bazaar.backups.storage import CHUNK_BYTES, FORMAT, Archive, Manifest, Writer
from hub import blobstore, gitstore
from hub.repos import holds
from hub.repos.models import Repository
from hub.revisions import ref_copies

# Content that rows name. Uploads in progress are sent again by their clients.
OBJECT_PREFIXES = ("lfs", "xorbs", "shards")
HOLD = timedelta(minutes=30)
HOLD_RENEWED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup. `written_bytes` were not in an earlier one.

    `missing`: a sentence for each repository whose git folder was not there, so the backup lacks it.
    """

    name: str
    manifest: Manifest
    written_bytes: int
    missing: list[str]


class _Hold:
    """Keeps collections away for as long as the backup makes progress; a killed one lets go by itself.

    `renew_mark` is called as often as the hold is renewed.
    """

    def __init__(self, renew_mark: Callable[[], None] = lambda: None) -> None:
        self._renew_mark = renew_mark
        self._until = timezone.now() + HOLD
        _place(self._until)

    def renew(self) -> None:
        """Called often: one statement in HOLD_RENEWED. Raises BackupFailed if the hold had ended."""
        now = timezone.now()
        if self._until - now >= HOLD - HOLD_RENEWED:
            return
        until = now + HOLD
        _place(until)
        self._renew_mark()
        # Placing it may have waited. Content may have been collected in a moment without a hold.
        if timezone.now() >= self._until:
            raise BackupFailed(
                f"For {HOLD} nothing could be stored, and content may have been collected since. "
                "Nothing of this backup counts; make another."
            )
        self._until = until


def _place(until: datetime) -> None:
    if not connection.in_atomic_block:
        holds.hold(until=until)
        return
    # Rows are being read in a transaction that writes nothing; a thread has a connection of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_place_in_thread, until).result()


def _place_in_thread(until: datetime) -> None:
    try:
        holds.hold(until=until)
    finally:
        connection.close()


def create(archive: Archive) -> Made:
    """Back up the database, git and objects. Waits while a prune removes content.

    Raises: BackupFailed, StoreUnreachable, StorageFull.
    """
    with marks.creating(archive.store) as renew_mark:
        return _create(archive, _Hold(renew_mark))


def _create(archive: Archive, hold: _Hold) -> Made:
    made_at = timezone.now()
    writer = Writer(archive, _newest(archive), renew=hold.renew)
    # The refs of repositories that an earlier release left are in git's files alone.
    for _ in ref_copies.fill_all():
        pass
    heads = database.heads()
    database.store(writer)
    missing = list(_missing(git_files.store(writer)))
    _store_objects(writer)
    if archive.sealer.is_on:
        _store_secrets(writer)
    writer.finish()
    hold.renew()
    manifest = _manifest(writer, heads, made_at)
    return Made(archive.write_manifest(manifest), manifest, writer.written_bytes, missing)


def _missing(stored: set[str]) -> Iterator[str]:
    """A sentence for each repository without a git folder: all of them where a share is not mounted."""
    for repository in Repository.objects.only("kind", "full_name", "storage").order_by("pk").iterator():
        storage = repository.storage
        if storage not in stored and not gitstore.folder_of(storage).exists():
            yield f"{repository.kind} {repository.full_name}: its git repository is not in the backup"


def _newest(archive: Archive) -> Manifest | None:
    """The newest backup that can be read; what it holds is not stored again."""
    for name in reversed(archive.names()):
        try:
            return archive.manifest(name)
        except Damaged:
            continue
    return None


def _manifest(writer: Writer, heads: dict[str, list[str]], made_at: datetime) -> Manifest:
    return Manifest(
        format=FORMAT,
        version=bazaar.__version__,
        engine=connection.vendor,
        made_at=made_at,
        finished_at=timezone.now(),
        heads=heads,
        settings=sorted(name for name in os.environ if name.startswith("BAZAAR_")),
        files=writer.files,
        places=writer.places,
        segments=writer.segments,
    )


def _store_objects(writer: Writer) -> None:
    store = blobstore.get_store()
    for prefix in OBJECT_PREFIXES:
        for blob in store.list(prefix):
            path, stamp = f"objects/{blob.key}", blob.modified_at.isoformat()
            if not writer.has(path, blob.size_bytes, stamp):
                with store.open(blob.key) as reader:
                    writer.add(path, _pieces(reader), stamp=stamp)


def _pieces(reader: blobstore.BlobReader) -> Iterator[bytes]:
    while piece := reader.read(CHUNK_BYTES):
        yield piece


def _store_secrets(writer: Writer) -> None:
    data = Path(settings.DATA_DIR)
    for name in SECRETS:
        found = [data / name] if (data / name).is_file() else sorted((data / name).glob("*"))
        for path in found:
            if path.is_file():
                writer.add(f"secrets/{path.relative_to(data)}", database.file_content(path))
