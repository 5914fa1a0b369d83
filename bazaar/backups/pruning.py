"""Removing old backups, and the content that none of the others needs.

Each manifest names all content of its backup, so no backup depends on another one. Content is removed after
the manifests: a killed prune leaves content that nothing needs, which the next one removes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bazaar.backups import marks
from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.storage import Archive, segment_key
from hub.blobstore import LocalBlobStore

# A file that a killed process left half written is removed after this time.
UNFINISHED_FOR = timedelta(days=1)


@dataclass(slots=True)
class Pruned:
    """The result of a prune. `waits`: a backup is being made, so content is left to the next prune."""

    removed: list[str]
    kept: list[str]
    freed_bytes: int = 0
    waits: bool = False


@dataclass(slots=True)
class Sizes:
    """The bytes at a place: of all segments, and those of the segments that one backup alone needs."""

    stored_bytes: int
    alone_bytes: dict[str, int] = field(default_factory=dict)


def prune(archive: Archive, *, keep: int, days: int, now: datetime) -> Pruned:
    """Remove backups, and content that no other backup needs.

    The newest `keep` ones stay, and those that are not older than `days` days; the newest stays always.

    Raises: StoreUnreachable, BackupFailed (also if a backup that stays cannot be read: nothing is removed).
    """
    names = archive.names()
    newest = names[-max(keep, 1) :]
    kept = [name for name in names if name in newest or made_at(name) >= now - timedelta(days=days)]
    needed = _needed(archive, kept)
    pruned = Pruned([name for name in names if name not in needed], kept)
    for name in pruned.removed:
        archive.store.delete(f"backups/{name}")
    pruned.waits = marks.creates(archive.store, now) or not _remove_content(archive, pruned, needed, now)
    return pruned


def sizes(archive: Archive) -> Sizes:
    """The bytes that the place holds. Damaged backups are left out."""
    stored = archive.segments()
    needed: dict[str, set[str]] = {}
    for name in archive.names():
        try:
            needed[name] = archive.manifest(name).needed_segments()
        except Damaged:
            continue
    users = Counter(segment for segments in needed.values() for segment in segments)
    alone = {
        name: sum(stored.get(segment, 0) for segment in segments if users[segment] == 1)
        for name, segments in needed.items()
    }
    return Sizes(sum(stored.values()), alone)


def made_at(name: str) -> datetime:
    """The moment in the name of a backup. Raises BackupFailed for a name that is no backup's."""
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
    except ValueError:
        raise BackupFailed(f"backups/{name} at the place is no backup. Move it elsewhere.") from None


def _remove_content(archive: Archive, pruned: Pruned, needed: dict[str, set[str]], now: datetime) -> bool:
    """Remove the segments that no backup needs; false if a backup is being made.

    Segments are listed first. A backup that has ended since then has a manifest, which is listed later.
    """
    with marks.pruning(archive.store) as keep:
        segments = archive.segments(renew=keep)
        if marks.creates(archive.store, now):
            return False
        added = [name for name in archive.names() if name not in needed]
        used = set().union(*needed.values(), *_needed(archive, added).values())
        for segment in sorted(segments.keys() - used):
            keep()
            archive.store.delete(segment_key(segment))
            pruned.freed_bytes += segments[segment]
        # A bucket may hold uploads of others.
        if isinstance(archive.store, LocalBlobStore):
            archive.store.discard_unfinished(now - UNFINISHED_FOR)
    return True


def _needed(archive: Archive, names: list[str]) -> dict[str, set[str]]:
    """Backup → the segments of its content. Raises BackupFailed if one cannot be read."""
    try:
        return {name: archive.manifest(name).needed_segments() for name in names}
    except Damaged as error:
        raise BackupFailed(
            f"{error} It is not known what it needs, so nothing was removed. If it is lost, delete its "
            "file in the folder backups, and prune again."
        ) from None
