"""Reads of the Xet store, narrowed to what the actor may use."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from django.db.models import Sum

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import policies
from hub.xet.codec import hashes
from hub.xet.codec.errors import Malformed
from hub.xet.codec.shards import ShardXorb
from hub.xet.errors import ChunkNotFound, FileNotFound, InvalidHash, XorbNotFound
from hub.xet.models import ChunkEntry, StoreGeneration, XetFile, XetTerm, Xorb

# About 4 GiB of content and 3 MB of answer. For larger files clients ask again further on.
ANSWER_XORBS_MAX = 64


def hash_text(text: str) -> str:
    """The same text, if it is a hash. Raises InvalidHash."""
    try:
        hashes.from_text(text)
    except Malformed:
        raise InvalidHash(text=text[:80]) from None
    return text


def get_file(*, actor: Principal, repository: Repository, name: str) -> XetFile:
    """The file of this hash in a repository. Raises FileNotFound for the missing and the hidden alike."""
    found = XetFile.objects.filter(policies.files_readable_in(repository, actor), hash=name).first()
    if found is None:
        raise FileNotFound
    return found


def get_xorb(*, actor: Principal, name: str) -> Xorb:
    """A usable xorb that the actor has sent or may read, without its tables. Raises XorbNotFound."""
    nameable = Xorb.objects.usable().without_tables().filter(policies.xorbs_nameable_by(actor), pk=name)
    found = nameable.first()
    if found is None:
        raise XorbNotFound
    return found


def generation() -> int:
    """The number in the address of the store."""
    return StoreGeneration.objects.values_list("number", flat=True).first() or 0


def neighbours_of_chunk(*, actor: Principal, chunk: str) -> list[ShardXorb]:
    """The xorbs among which a client will find what goes with this chunk, from files the actor may read.

    Chunks that belong to nothing the actor may read get random names in it. Raises ChunkNotFound.
    """
    holders = ChunkEntry.objects.filter(chunk=chunk, xorb__in=Xorb.objects.usable()).values("xorb")
    readable = XetFile.objects.filter(policies.files_readable_by(actor))
    hits = XetTerm.objects.filter(xorb__in=holders, file__in=readable)
    hit = hits.select_related("file").order_by("-file_id", "start_byte").first()
    if hit is None:
        raise ChunkNotFound
    names = list(islice(_unique(_names_around(hit, readable)), ANSWER_XORBS_MAX))
    shown: dict[str, list[tuple[int, int]]] = {}
    terms = XetTerm.objects.filter(xorb__in=names, file__in=readable)
    for xorb_id, first, end in terms.values_list("xorb_id", "first_chunk", "end_chunk").distinct():
        shown.setdefault(xorb_id, []).append((first, end))
    return [
        _described(xorb, shown.get(xorb.pk, []))
        for xorb in Xorb.objects.usable().filter(pk__in=names).order_by("pk")
    ]


def _names_around(hit: XetTerm, readable: Iterable[XetFile]) -> Iterator[str]:
    """First what follows in the file, then what precedes, then the files that came with it."""
    own = hit.file.terms.order_by("start_byte").values_list("xorb_id", flat=True)
    following = own.filter(start_byte__gte=hit.start_byte).iterator()
    preceding = own.filter(start_byte__lt=hit.start_byte).iterator()
    beside = XetTerm.objects.none().values_list("xorb_id", flat=True)
    if hit.file.shard_id is not None:
        beside = (
            XetTerm.objects.filter(file__shard=hit.file.shard_id, file__in=readable)
            .order_by("pk")
            .values_list("xorb_id", flat=True)
        )
    return chain(following, preceding, beside.iterator())


def _unique(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name


def _described(xorb: Xorb, shown: list[tuple[int, int]]) -> ShardXorb:
    layout = xorb.layout
    names = bytearray(secrets.token_bytes(len(layout.hashes)))
    width = hashes.HASH_BYTES
    for first, end in shown:
        names[first * width : end * width] = layout.chunk_hashes(first, end)
    lengths = np.array(layout.raw_lengths(0, len(layout)), np.uint32)
    return ShardXorb(hashes.from_text(xorb.pk), bytes(names), lengths, xorb.stored_bytes)


@dataclass(frozen=True, slots=True)
class Usage:
    """The sizes of files, and of what is stored for them."""

    logical_bytes: int
    stored_bytes: int

    @property
    def ratio(self) -> float:
        """Logical bytes for one stored byte; 1 where nothing is stored."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else 1.0


def stored_bytes(repository: Repository) -> int:
    """Of all xorbs that hold a part of a repository's files, each in full and once."""
    used = XetTerm.objects.filter(file__links__repository=repository).values("xorb_id")
    return Xorb.objects.filter(pk__in=used).aggregate(total=Sum("stored_bytes"))["total"] or 0
