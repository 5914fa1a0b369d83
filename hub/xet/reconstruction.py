"""Files put together again from chunks: as a plan for clients that fetch xorbs, or as their bytes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Self

from django.db.models.functions import Now

from hub import blobstore
from hub.xet.codec import hashes
from hub.xet.codec.compression import Bytes
from hub.xet.codec.errors import Malformed
from hub.xet.codec.xorbs import Layout, chunks_in
from hub.xet.errors import RangeBeyondEnd, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.models import XetFile, XetTerm, Xorb, xorb_key

logger = logging.getLogger(__name__)

# Bytes fetched at once, stored as well as uncompressed, and the number of fetches ahead of the reader.
PIECE_BYTES = 2 * 1024 * 1024
PIECES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Chunks first..end (exclusive) of a xorb."""

    xorb: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A run that is read at once, and how many bytes to drop at its start and to keep after that."""

    run: Run
    stored_start: int
    stored_end: int
    chunk_hashes: bytes
    skip: int
    take: int


class Buffer:
    """Memory that is read into again and again: fresh memory can cost more than what is read into it."""

    def __init__(self) -> None:
        self._memory = bytearray()

    def of(self, size: int) -> memoryview:
        """So many bytes of it; the same as those given before."""
        if len(self._memory) < size:
            self._memory = bytearray(size)
        return memoryview(self._memory)[:size]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A part of a stored xorb that a client fetches: chunks end before `end`, bytes before `stored_end`."""

    first: int
    end: int
    stored_start: int
    stored_end: int


@dataclass(frozen=True, slots=True)
class PlannedTerm:
    """A term of an answer: a run and its uncompressed bytes."""

    run: Run
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The data with which a client assembles a range of a file: runs in order, and their addresses.

    `skip` is how many bytes of the first run lie before the range. Each run lies in one fetch of its xorb.
    """

    skip: int
    terms: list[PlannedTerm]
    fetches: dict[str, list[Fetch]]


def plan(file: XetFile, start: int = 0, end: int | None = None) -> Plan:
    """Plan for bytes start..end (exclusive, clipped to the size).

    Raises RangeBeyondEnd when the range begins behind the file, XorbDamaged.
    """
    end = file.size if end is None else min(end, file.size)
    if start >= file.size or start >= end:
        raise RangeBeyondEnd(size=file.size)
    # Clients check no hash of what they fetch themselves.
    damaged = file.terms.filter(xorb__state=Xorb.State.DAMAGED).values_list("xorb_id", flat=True).first()
    if damaged is not None:
        raise XorbDamaged(xorb=damaged)
    layouts = Layouts()
    terms: list[PlannedTerm] = []
    runs: dict[str, list[tuple[int, int]]] = {}
    skip = 0
    for term in _terms_between(file, start, end):
        layout = layouts[term.xorb_id]
        first, stop, before = _clip(layout, term, start, end)
        if not terms:
            skip = before
        terms.append(PlannedTerm(Run(term.xorb_id, first, stop), layout.raw_size(first, stop)))
        runs.setdefault(term.xorb_id, []).append((first, stop))
    fetches = {}
    for name, ranges in runs.items():
        layout = layouts[name]
        fetches[name] = [
            Fetch(first, stop, layout.stored_start(first), layout.stored_start(stop))
            for first, stop in _merged(ranges)
        ]
    return Plan(skip, terms, fetches)


def read(file: XetFile, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
    """The bytes start..end (exclusive) of a file, in flat memory; every chunk's hash is checked.

    Raises XorbDamaged rather than to give a wrong byte.
    """
    end = file.size if end is None else min(end, file.size)
    try:
        for chunks in _fetched(_pieces(_terms_between(file, start, end), Layouts(), start, end)):
            yield b"".join(chunks)
    except XorbDamaged as damage:
        mark_damaged(damage.details["xorb"])
        raise


class ChunkReader:
    """Bytes of a file, in order, as a blob store's reader gives them."""

    def __init__(self, file: XetFile, start: int = 0, end: int | None = None) -> None:
        self._parts = read(file, start, end)
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        parts, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            part = next(self._parts, b"")
            if not part:
                break
            parts.append(part)
            have += len(part)
        data = b"".join(parts)
        wanted = have if size < 0 else size
        self._rest = data[wanted:]
        return data[:wanted]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return next(self._parts)

    def close(self) -> None:
        """Stop fetching ahead."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_runs(runs: Iterable[Run], layouts: Layouts) -> Iterator[Bytes]:
    """The chunks of whole runs one after another, before there is a file row for them. As `read`.

    Each is valid until the next one is read.
    """
    return chain.from_iterable(_fetched(pieces_of_runs(runs, layouts)))


def pieces_of_runs(runs: Iterable[Run], layouts: Layouts) -> Iterator[Piece]:
    """The arguments of `fetch`, for whole runs one after another."""
    return (piece for run in runs for piece in _pieces_of(run, layouts[run.xorb], 0, None))


def fetch(piece: Piece, buffer: Buffer) -> list[Bytes]:
    """Read, unpack and verify one piece: its chunks, which may share the buffer's memory. Raises XorbDamaged.

    Touches no database, so that it can run in a thread of its own.
    """
    width = hashes.HASH_BYTES
    skip, left = piece.skip, piece.take
    out = []
    stored = buffer.of(piece.stored_end - piece.stored_start)
    count = blobstore.get_store().readinto(xorb_key(piece.run.xorb), stored, piece.stored_start)
    expected = range(0, len(piece.chunk_hashes), width)
    try:
        for at, chunk in zip(expected, chunks_in(stored[:count]), strict=True):
            raw = chunk.unpack()
            if hashes.chunk_hash(raw) != piece.chunk_hashes[at : at + width]:
                raise XorbDamaged(xorb=piece.run.xorb)
            if skip or len(raw) > left:
                raw = raw[skip : skip + left]
                skip = 0
            left -= len(raw)
            out.append(raw)
    except (Malformed, ValueError) as error:
        raise XorbDamaged(xorb=piece.run.xorb) from error
    return out


def mark_damaged(name: str) -> None:
    """Keep a xorb from being named or trusted again; sent anew, its bytes are replaced."""
    logger.error("xorb_damaged xorb=%s", name)
    Xorb.objects.usable().filter(pk=name).update(state=Xorb.State.DAMAGED, state_since=Now())


def _terms_between(file: XetFile, start: int, end: int) -> Iterator[XetTerm]:
    # No term is longer than a xorb, so the first one that matters begins close before the range.
    terms = file.terms.filter(start_byte__lt=end).order_by("start_byte")
    before = file.terms.filter(start_byte__lte=start).order_by("-start_byte").values_list("start_byte")[:1]
    return terms.filter(start_byte__gte=before).iterator(chunk_size=500)


def _clip(layout: Layout, term: XetTerm, start: int, end: int) -> tuple[int, int, int]:
    """The chunks of a term that overlap the range, and how many bytes of the first lie before it."""
    base = term.start_byte - layout.raw_start(term.first_chunk)
    ends = layout.raw_ends[term.first_chunk : term.end_chunk]
    first = term.first_chunk + int(ends.searchsorted(max(0, start - base), side="right"))
    stop = term.first_chunk + int(ends.searchsorted(end - base, side="left")) + 1
    return first, min(stop, term.end_chunk), max(0, start - base - layout.raw_start(first))


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


def _pieces(terms: Iterable[XetTerm], layouts: Layouts, start: int, end: int) -> Iterator[Piece]:
    left = end - start
    for term in terms:
        layout = layouts[term.xorb_id]
        first, stop, skip = _clip(layout, term, start, end)
        for piece in _pieces_of(Run(term.xorb_id, first, stop), layout, skip, left):
            left -= piece.take
            yield piece


def _pieces_of(run: Run, layout: Layout, skip: int, left: int | None) -> Iterator[Piece]:
    """Cut a run into pieces of at most about 2 MiB; `left` bounds how many bytes are kept in all."""
    at = run.first
    while at < run.end:
        raw = layout.raw_ends[: run.end].searchsorted(layout.raw_start(at) + PIECE_BYTES, side="right")
        stored = layout.stored_ends[: run.end].searchsorted(
            layout.stored_start(at) + PIECE_BYTES, side="right"
        )
        stop = max(at + 1, int(min(raw, stored)))
        size = layout.raw_size(at, stop) - skip
        take = size if left is None else min(size, left)
        if left is not None:
            left -= take
        yield Piece(
            Run(run.xorb, at, stop),
            layout.stored_start(at),
            layout.stored_start(stop),
            layout.chunk_hashes(at, stop),
            skip,
            take,
        )
        skip, at = 0, stop


def _fetched(pieces: Iterable[Piece]) -> Iterator[list[Bytes]]:
    """Fetch ahead in threads, so that store, decompression and reader work at the same time.

    The chunks of a piece may be overwritten when the next piece is read.
    """
    source = iter(pieces)
    ahead = list(islice(source, 2))
    if len(ahead) < 2:
        for piece in ahead:
            yield fetch(piece, Buffer())
        return
    waiting: deque[Future[list[Bytes]]] = deque()
    buffers = cycle([Buffer() for _ in range(PIECES_AHEAD + 1)])
    with ThreadPoolExecutor(PIECES_AHEAD, thread_name_prefix="xet") as pool:
        try:
            for piece in chain(ahead, source):
                waiting.append(pool.submit(fetch, piece, next(buffers)))
                if len(waiting) > PIECES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
