"""Cutting a whole blob into chunks, as a client would have done: for files that did not come by Xet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Self

import numpy as np
from django.db import transaction

from hub import blobstore
from hub.blobstore import temporary_file
from hub.xet import reconstruction, registration
from hub.xet.codec import chunking, hashes, xorbs
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import Shard, ShardFile, ShardXorb, Term, Terms
from hub.xet.codec.xorbs import Layout, Read, XorbWriter
from hub.xet.errors import InvalidShard
from hub.xet.intake import TEMPORARY_PREFIX
from hub.xet.layouts import Layouts
from hub.xet.models import XetFile, Xorb, xorb_key
from hub.xet.reconstruction import Run

# Chunks kept in mind for deduplication, about 100 bytes each; then the oldest half is forgotten.
KNOWN_MAX = 200_000


def pack(read: Read, *, sha256: str, now: datetime) -> XetFile:
    """Store a file in chunks and prove, by reading it back, that it is the same; then make its row.

    Chunks that the hub has already are not stored again. Raises InvalidShard when the bytes that came
    back have another SHA-256.
    """
    with _Packer(now) as packer:
        for chunk in chunking.read_chunks(read):
            packer.add(chunk)
        packer.flush()
    runs, layouts, digest = packer.runs, Layouts(), hashlib.sha256()
    for data in reconstruction.read_runs(runs, layouts):
        digest.update(data)
    if digest.hexdigest() != sha256:
        raise InvalidShard(reason=f"The object {sha256} does not read back as itself.")
    terms = [
        Term(hashes.from_text(run.xorb), run.first, run.end, layouts[run.xorb].raw_size(run.first, run.end))
        for run in runs
    ]
    file = ShardFile(packer.file_hash(), Terms.of(terms), sha256=digest.digest())
    with transaction.atomic(durable=True):
        registration.lock_xorbs({run.xorb for run in runs}, now=now)
        [made] = registration.record_files(Shard([file], packer.made), None, layouts, now=now)
    return made


class _Packer:
    """Turns chunks into xorbs and remembers where each chunk lies."""

    def __init__(self, now: datetime) -> None:
        self.made: list[ShardXorb] = []
        self._now = now
        self._tree = hashes.TreeHasher()
        # The place of each chunk: the xorb's name, or None for the xorb that is being filled.
        self._known: dict[bytes, tuple[str | None, int]] = {}
        self._runs: list[tuple[str | None, int, int]] = []
        self._files = ExitStack()
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    @property
    def runs(self) -> list[Run]:
        """The whole file, once it is flushed."""
        return [Run(xorb, first, end) for xorb, first, end in self._runs if xorb is not None]

    def file_hash(self) -> bytes:
        """The name of the file; ask once."""
        return hashes.file_hash_of_root(self._tree.root())

    def add(self, chunk: bytes) -> None:
        """Take the next chunk of the file."""
        name = hashes.chunk_hash(chunk)
        self._tree.add(name, len(chunk))
        place = self._known.get(name) or self._find(name)
        if place is None:
            if not self._writer.has_room_for(chunk):
                self.flush()
            place = (None, self._writer.add(chunk))
            self._remember(name, place)
        xorb, at = place
        if self._runs and self._runs[-1][0] == xorb and self._runs[-1][2] == at:
            self._runs[-1] = (xorb, self._runs[-1][1], at + 1)
        else:
            self._runs.append((xorb, at, at + 1))

    def flush(self) -> None:
        """Store the xorb that is being filled, and begin another."""
        if not len(self._writer):
            return
        layout = self._writer.layout()
        name = to_text(xorbs.layout_hash(layout))
        if not registration.claim_xorb(name, now=self._now):
            self._file.flush()
            blobstore.get_store().put_file(xorb_key(name), Path(self._file.name))
        with transaction.atomic(durable=True):
            registration.record_xorb(name, layout, now=self._now)
        self.made.append(_described(name, layout))
        self._runs = [(xorb or name, first, end) for xorb, first, end in self._runs]
        self._known = {key: (xorb or name, at) for key, (xorb, at) in self._known.items()}
        self._begin()

    def _begin(self) -> None:
        self._files.close()
        self._file: IO[bytes] = self._files.enter_context(temporary_file(TEMPORARY_PREFIX))
        self._writer = XorbWriter(self._file)

    def _find(self, name: bytes) -> tuple[str | None, int] | None:
        """Look in the index, for the few chunks that are in it; a hit brings all its xorb's chunks along."""
        if not hashes.is_eligible(name) and self._runs:
            return None
        usable = Xorb.objects.usable().filter(entries__chunk=to_text(name))
        for xorb in usable[:1]:
            for at, held in enumerate(_names(xorb.layout)):
                self._remember(held, (xorb.pk, at))
        return self._known.get(name)

    def _remember(self, name: bytes, place: tuple[str | None, int]) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known = dict(list(self._known.items())[KNOWN_MAX // 2 :])
        self._known.setdefault(name, place)


def _names(layout: Layout) -> Iterator[bytes]:
    width = hashes.HASH_BYTES
    return (layout.hashes[at : at + width] for at in range(0, len(layout.hashes), width))


def _described(name: str, layout: Layout) -> ShardXorb:
    lengths = np.array(layout.raw_lengths(0, len(layout)), np.uint32)
    return ShardXorb(hashes.from_text(name), layout.hashes, lengths, layout.stored_bytes)
