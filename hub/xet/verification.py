"""Verification of a shard: nothing in it counts before it has passed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from hub.xet import reconstruction
from hub.xet.codec import hashes
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import Shard, ShardFile, Term
from hub.xet.codec.xorbs import Layout
from hub.xet.errors import InvalidShard, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.readback import read_back

# A client waits 300 s for a sign of life and a front server less; small files need none.
HEARTBEAT_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a shard's verification: the bytes that have been read and hashed."""

    verified_bytes: int
    total_bytes: int


def named_xorbs(shard: Shard) -> set[str]:
    """All xorbs that a shard describes or that its files use."""
    names = {xorb.hash for xorb in shard.xorbs}
    for file in shard.files:
        names.update(file.terms.xorbs())
    return {to_text(name) for name in names}


def check_structure(shard: Shard, layouts: Layouts) -> None:
    """The checks that need only the chunk tables: no bytes are read.

    Raises InvalidShard, UnknownXorb.
    """
    for xorb in shard.xorbs:
        if not xorb.describes(layouts[to_text(xorb.hash)]):
            raise InvalidShard(
                reason=f"Its chunks of xorb {to_text(xorb.hash)} are not those that were sent."
            )
    for file in shard.files:
        _check_file(file, layouts)


def _check_file(file: ShardFile, layouts: Layouts) -> None:
    name = to_text(file.hash)
    if not len(file.terms):
        raise InvalidShard(reason=f"File {name} has no terms.")
    if file.sha256 is None:
        raise InvalidShard(reason=f"File {name} comes without its SHA-256.")
    if file.range_hashes is None:
        raise InvalidShard(reason=f"File {name} comes without range hashes.")
    tree = hashes.TreeHasher()
    for at, term in enumerate(file.terms):
        layout = layouts[to_text(term.xorb)]
        _check_term(name, at, term, layout, file.range_hash(at))
        for chunk in layout.sized_chunks(term.first, term.end):
            tree.add(*chunk)
    if hashes.file_hash_of_root(tree.root()) != file.hash:
        raise InvalidShard(reason=f"File {name} does not consist of the chunks that its terms name.")


def _check_term(name: str, at: int, term: Term, layout: Layout, proof: bytes) -> None:
    if not 0 <= term.first < term.end <= len(layout):
        raise InvalidShard(reason=f"Term {at} of file {name} lies outside of its xorb.")
    if layout.raw_size(term.first, term.end) != term.raw_bytes:
        raise InvalidShard(reason=f"Term {at} of file {name} has another size than its chunks.")
    if hashes.range_hash(layout.chunk_hashes(term.first, term.end)) != proof:
        raise InvalidShard(reason=f"The range hash of term {at} of file {name} is wrong.")


def check_content(
    files: list[ShardFile], layouts: Layouts, *, may_continue: bool = True
) -> Iterator[Progress]:
    """Read every file from its chunks and compare its SHA-256; a sign of life every few seconds.

    With `may_continue`, what was hashed while it arrived is not read again unless its SHA-256 differs: only
    bytes that were read here refuse a file. Raises InvalidShard, XorbDamaged.
    """
    total = sum(file.size for file in files)
    done = 0
    last = time.monotonic()
    doubtful = []
    try:
        for hashed in read_back(files, layouts, may_continue=may_continue):
            done += hashed.count
            if hashed.digest in {None, hashed.file.sha256}:
                pass
            elif hashed.is_continued:
                doubtful.append(hashed.file)
            else:
                name = to_text(hashed.file.hash)
                raise InvalidShard(reason=f"File {name} has another SHA-256 than the shard says.")
            if time.monotonic() - last >= HEARTBEAT_S:
                yield Progress(done, total)
                last = time.monotonic()
    except XorbDamaged as damage:
        reconstruction.mark_damaged(damage.details["xorb"])
        raise
    if doubtful:
        yield from check_content(doubtful, layouts, may_continue=False)
