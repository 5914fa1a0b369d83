"""The xorbs and the shard that a client sends for some files, made with the codec."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import services
from hub.xet.codec import chunking, hashes, shards, xorbs
from hub.xet.codec.shards import Shard, ShardFile, ShardXorb, Term, Terms
from hub.xet.models import XetFile
from hub.xet.services import Registered
from tests.factories.hub import NOW


@dataclass
class Upload:
    """Xorbs by name, and the shard that announces the files."""

    xorbs: dict[str, bytes] = field(default_factory=dict)
    shard: Shard = field(default_factory=Shard)

    @property
    def shard_bytes(self) -> bytes:
        return shards.write_shard(self.shard)

    def changed(self, **fields: object) -> Upload:
        """The same, but with lies in the first file."""
        first, *rest = self.shard.files
        return replace(self, shard=replace(self.shard, files=[replace(first, **fields), *rest]))


def of(*contents: bytes) -> Upload:
    """All files cut into chunks and put into one xorb, one term a file."""
    chunks = [list(chunking.read_chunks(io.BytesIO(content).read)) for content in contents]
    body = io.BytesIO()
    writer = xorbs.XorbWriter(body)
    for chunk in (chunk for file in chunks for chunk in file):
        writer.add(chunk)
    layout = writer.layout()
    name = xorbs.layout_hash(layout)
    files, at = [], 0
    for content, own in zip(contents, chunks, strict=True):
        files.append(file_of(content, [(name, layout, at, at + len(own))]))
        at += len(own)
    lengths = np.array(layout.raw_lengths(0, len(layout)), np.uint32)
    described = ShardXorb(name, layout.hashes, lengths)
    return Upload({hashes.to_text(name): body.getvalue()}, Shard(files, [described]))


def file_of(content: bytes, runs: Iterable[tuple[bytes, xorbs.Layout, int, int]]) -> ShardFile:
    """A file made of runs of chunks."""
    runs = list(runs)
    terms = [Term(name, first, end, layout.raw_size(first, end)) for name, layout, first, end in runs]
    sized = [chunk for _, layout, first, end in runs for chunk in layout.sized_chunks(first, end)]
    proofs = [hashes.range_hash(layout.chunk_hashes(first, end)) for _, layout, first, end in runs]
    return ShardFile(
        hashes.file_hash(sized),
        Terms.of(terms),
        range_hashes_of(proofs),
        hashlib.sha256(content).digest(),
    )


def range_hashes_of(values: Iterable[bytes]) -> memoryview:
    """Range hashes, one a term, as they lie in a shard: 32 bytes and 16 that are 0 each."""
    return memoryview(b"".join(value + bytes(16) for value in values))


def layout_of(body: bytes) -> xorbs.Layout:
    return xorbs.read_layout(io.BytesIO(body).read)


def send_xorbs(upload: Upload, actor: Principal, repository: Repository) -> list[bool]:
    """Store the xorbs; for each, True if it was new."""
    return [
        services.store_xorb(
            actor=actor, repository=repository, name=name, read=io.BytesIO(body).read, now=NOW
        )
        for name, body in upload.xorbs.items()
    ]


def send_shard(upload: Upload, actor: Principal, repository: Repository) -> bool:
    """Register the shard; True if it brought something new."""
    read = io.BytesIO(upload.shard_bytes).read
    *_, ended = services.register_shard(actor=actor, repository=repository, read=read, now=NOW)
    assert isinstance(ended, Registered)
    return ended.is_new


def send(upload: Upload, actor: Principal, repository: Repository) -> list[XetFile]:
    """All of it; gives the files."""
    send_xorbs(upload, actor, repository)
    send_shard(upload, actor, repository)
    names = [hashes.to_text(file.hash) for file in upload.shard.files]
    known = {file.hash: file for file in XetFile.objects.filter(hash__in=names)}
    return [known[name] for name in names]


def reader(data: bytes) -> Callable[[int], bytes]:
    """As a request's body is read."""
    return io.BytesIO(data).read
