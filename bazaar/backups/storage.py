"""The place of backups: chunks of content in segments, and a manifest for each complete backup.

    segments/ab/abcd…      chunks one after the other, up to 32 MiB, named by the SHA-256 of the stored bytes
    backups/TIME-abcd…     the manifest, written last and named the same way
    marks/…                what runs at the place now (`bazaar.backups.marks`)

A content that an earlier backup holds is not stored again.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec
from django.conf import settings

from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.names import require_paths
from bazaar.backups.sealing import Sealer
from foundation.errors import Refusal
from hub.blobstore import BlobStore, LocalBlobStore, store_at

FORMAT = 1
CHUNK_BYTES = 4 * 1024 * 1024
SEGMENT_BYTES = 32 * 1024 * 1024
SEGMENTS_CACHED = 3


class Place(msgspec.Struct, array_like=True, frozen=True):
    """The place of a chunk: so many bytes of a segment's plain content, from an offset on."""

    segment: str
    offset: int
    length: int


class File(msgspec.Struct, array_like=True, frozen=True):
    """A file of the backup. `stamp` is what its source said of it: the same means the same content."""

    path: str
    size: int
    stamp: str
    chunks: list[str]


class Manifest(msgspec.Struct):
    """All that one backup consists of. `heads`: app → its newest applied migrations.

    `segments`: the segments of its chunks → the bytes that each has in the store.
    """

    format: int
    version: str
    engine: str
    made_at: datetime
    finished_at: datetime
    heads: dict[str, list[str]]
    settings: list[str]
    files: list[File]
    places: dict[str, Place]
    segments: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)

    def needed_segments(self) -> set[str]:
        """The segments that hold its chunks. `segments` may be empty in a backup of an early version."""
        return {place.segment for place in self.places.values()}


def open_target(where: str) -> BlobStore:
    """The store at a folder, or at `s3://BUCKET/PREFIX`. Raises BackupFailed.

    S3 is reached with the settings of the hub's own bucket if it has one, else with boto3's variables.
    """
    if not where:
        raise BackupFailed(
            "Say where backups are: --place FOLDER, --place s3://BUCKET/PREFIX, or BAZAAR_BACKUP_TO."
        )
    if not where.startswith("s3://"):
        return LocalBlobStore(where)
    store, own = store_at(where), settings.S3 or {}
    if own.get("bucket") == store.bucket and store.options.prefix == own.get("prefix", ""):
        raise BackupFailed("Backups must not lie where the hub keeps its objects: choose another prefix.")
    return store


class Archive:
    """Reads and writes the backups at one place."""

    def __init__(self, store: BlobStore, sealer: Sealer) -> None:
        self.store, self.sealer = store, sealer
        self._cached: OrderedDict[str, bytes] = OrderedDict()

    def names(self) -> list[str]:
        """The complete backups, the oldest first."""
        return sorted(blob.key.removeprefix("backups/") for blob in self.store.list("backups"))

    def find(self, wanted: str) -> str:
        """The full name of the backup that begins so, or of the newest. Raises BackupFailed."""
        found = [name for name in self.names() if name.startswith(wanted.lower())]
        if not found:
            raise BackupFailed(f"There is no backup {wanted}." if wanted else "There is no complete backup.")
        if wanted and len(found) > 1 and wanted not in found:
            raise BackupFailed(f"{len(found)} backups begin with {wanted}.")
        return found[-1]

    def manifest(self, name: str) -> Manifest:
        """Raises: Damaged, BackupFailed (no key, or a format of a newer release)."""
        plain = self._opened(f"backups/{name}", name.rpartition("-")[2])
        try:
            raw = zlib.decompress(plain)
            form = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])["format"]
            if msgspec.json.decode(form, type=int) > FORMAT:
                raise BackupFailed(f"{name} was made by a newer release. Restore it with that one.")
            manifest = msgspec.json.decode(raw, type=Manifest)
        except (zlib.error, msgspec.MsgspecError, KeyError) as error:
            raise Damaged(f"The manifest {name} cannot be read: {error}") from None
        require_paths(file.path for file in manifest.files)
        return manifest

    def write_manifest(self, manifest: Manifest) -> str:
        stored = self.sealer.seal(zlib.compress(msgspec.json.encode(manifest)))
        # With microseconds: of two backups that began in one second, the newest is the last name, too.
        name = f"{manifest.made_at:%Y%m%dt%H%M%Sz-%f}-{hashlib.sha256(stored).hexdigest()}"
        self.store.put_stream(f"backups/{name}", [stored])
        return name

    def write_segment(self, plain: bytes) -> tuple[str, int]:
        """Store a segment; give its name and the bytes that it has in the store."""
        stored = self.sealer.seal(plain)
        name = hashlib.sha256(stored).hexdigest()
        self.store.put_stream(segment_key(name), [stored])
        return name, len(stored)

    def segments(self, *, renew: Callable[[], None] = lambda: None) -> dict[str, int]:
        """The segments that are in the store → the bytes that each has there. Calls `renew` for each."""
        found = {}
        for blob in self.store.list("segments"):
            renew()
            found[blob.key.rpartition("/")[2]] = blob.size_bytes
        return found

    def segment(self, name: str) -> bytes:
        """The plain bytes of a segment, from memory if it was read lately. Raises: Damaged."""
        if name in self._cached:
            self._cached.move_to_end(name)
            return self._cached[name]
        plain = self._opened(segment_key(name), name)
        self._cached[name] = plain
        while len(self._cached) > SEGMENTS_CACHED:
            self._cached.popitem(last=False)
        return plain

    def read(self, manifest: Manifest, file: File) -> Iterator[bytes]:
        """The content of a file, each chunk compared with its hash. Raises: Damaged."""
        for chunk in file.chunks:
            place = manifest.places[chunk]
            data = self.segment(place.segment)[place.offset : place.offset + place.length]
            if hashlib.sha256(data).hexdigest() != chunk:
                raise Damaged(f"{file.path}: a chunk in the segment {place.segment} is not what it was.")
            yield data

    def _opened(self, key: str, expected: str) -> bytes:
        try:
            stored = self.store.read(key)
        except Refusal as refusal:
            raise Damaged(f"{key} cannot be read: {refusal}") from None
        if hashlib.sha256(stored).hexdigest() != expected:
            raise Damaged(f"{key} was changed: its bytes do not have the hash in its name.")
        try:
            return self.sealer.open(stored)
        except Damaged as error:
            raise Damaged(f"{key}: {error}") from None


class Writer:
    """Puts the files of a new backup into an archive, without what the previous backup has of them.

    Chunks of a segment that is gone, or has another size than it was written with, are stored again.
    `renew` is called for each file and each chunk; what it raises ends the backup.
    """

    def __init__(
        self, archive: Archive, previous: Manifest | None, *, renew: Callable[[], None] = lambda: None
    ) -> None:
        self.archive = archive
        self._renew = renew
        self.files: list[File] = []
        self.places: dict[str, Place] = {}
        self.segments: dict[str, int] = {}
        self.written_bytes = 0
        self._known: dict[str, Place] = {}
        self._present: dict[str, int] = {}
        if previous is not None:
            self._present = archive.segments()
            self._known = _of_whole(previous, self._present)
        self._before = {file.path: file for file in previous.files} if previous else {}
        self._segment = bytearray()
        self._pending: dict[str, tuple[int, int]] = {}

    def has(self, path: str, size: int, stamp: str) -> bool:
        """Take a file over from the previous backup, if its source has not changed since."""
        self._renew()
        before = self._before.get(path)
        if before is None or not stamp or (before.size, before.stamp) != (size, stamp):
            return False
        if not all(chunk in self._known or chunk in self.places for chunk in before.chunks):
            return False
        for chunk in before.chunks:
            self._take_over(chunk)
        self.files.append(before)
        return True

    def add(self, path: str, content: Iterable[bytes], *, stamp: str = "") -> None:
        """Store a file. `content` comes in pieces of any length."""
        chunks: list[str] = []
        size = 0
        for data in _chunked(content):
            self._renew()
            size += len(data)
            chunks.append(self._keep(data))
        self.files.append(File(path, size, stamp, chunks))

    def finish(self) -> None:
        """Write what still waits in memory. After this every place is known."""
        if self._segment:
            name, size = self.archive.write_segment(bytes(self._segment))
            self.places.update(
                (chunk, Place(name, offset, length)) for chunk, (offset, length) in self._pending.items()
            )
            self.segments[name] = size
            self._segment.clear()
            self._pending.clear()

    def _take_over(self, chunk: str) -> None:
        """Name the place at which the previous backup has a chunk, unless this one has stored it already."""
        if chunk not in self.places:
            place = self.places[chunk] = self._known[chunk]
            self.segments[place.segment] = self._present[place.segment]

    def _keep(self, data: bytes) -> str:
        chunk = hashlib.sha256(data).hexdigest()
        if chunk in self.places or chunk in self._pending:
            return chunk
        if chunk in self._known:
            self._take_over(chunk)
            return chunk
        self._pending[chunk] = (len(self._segment), len(data))
        self._segment += data
        self.written_bytes += len(data)
        if len(self._segment) >= SEGMENT_BYTES:
            self.finish()
        return chunk


def _of_whole(manifest: Manifest, present: dict[str, int]) -> dict[str, Place]:
    """The chunks of a backup whose segments are in the store with the size that they were written with."""
    whole = {name for name, size in present.items() if manifest.segments.get(name, size) == size}
    return {chunk: place for chunk, place in manifest.places.items() if place.segment in whole}


def segment_key(name: str) -> str:
    """The key of a segment in the store."""
    return f"segments/{name[:2]}/{name}"


def _chunked(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of CHUNK_BYTES, the last one shorter."""
    waiting = bytearray()
    for piece in content:
        waiting += piece
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)
