"""Requests of git and git-lfs → arguments of the rooms."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.http import HttpRequest
from msgspec import UNSET

from foundation import temporary_files
from foundation.errors import Unsupported
from hub.api.git import bodies
from hub.api.json import BodyTooLarge, MalformedBody, names_sha256
from hub.api.structs import body_of
from hub.blobstore import Part, refusing_when_full
from hub.lfs.services import NamedObject, require_wanted
from hub.lfs.storing import require_room_on_disk

# One read is one call to the kernel: few large ones are cheap.
CHUNK_BYTES = 1024 * 1024
# git compresses only the short lists of commits that a fetch sends.
INFLATED_BYTES_MAX = 64 * 1024 * 1024
# Clients that name "xet" and are given plain LFS all the same (ADR 0153).
KEPT_ON_LFS = re.compile(r"\b(?:git-lfs|hf_hub)/")
# A fetch names commits, 50 bytes each: this is 300,000 of them.
FETCH_BYTES_MAX = 16 * 1024 * 1024
# Bytes of a body after which the free space of the disk is checked again.
ROOM_CHECKED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """The body of a batch call.

    `parts_only`: the client must be given parts for every object. `takes_xet`: it can send to the Xet store.
    `branch`: where the client says that it will commit, empty when it does not say.
    """

    is_upload: bool
    wanted: list[NamedObject]
    takes_parts: bool
    parts_only: bool
    takes_xet: bool
    branch: str


def batch(request: HttpRequest) -> Batch:
    """Raises: MalformedBody, BodyTooLarge, InvalidOid, InvalidSize, Unsupported."""
    body = body_of(request, bodies.Batch)
    if not names_sha256(body.hash_algo):
        raise Unsupported(feature="A hash other than sha256")
    transfers = body.transfers or ["basic"]
    if not isinstance(transfers, list):
        raise MalformedBody(reason="“transfers” must be a list")
    return Batch(
        is_upload=body.operation == "upload",
        wanted=[require_wanted(each.oid, each.size) for each in body.objects],
        takes_parts="multipart" in transfers,
        parts_only=body.upload_id is not UNSET and "multipart" in transfers,
        takes_xet="xet" in transfers and not KEPT_ON_LFS.search(request.headers.get("User-Agent", "")),
        # With or without `refs/heads/`.
        branch="" if body.ref is None else body.ref.name.removeprefix("refs/heads/"),
    )


def parts(request: HttpRequest) -> list[Part]:
    """The parts with which an upload is completed. Raises: MalformedBody, BodyTooLarge."""
    sent = body_of(request, bodies.Completion).parts
    return [Part(each.number, each.etag.strip('"')) for each in sent]


def fetch_body(request: HttpRequest) -> BinaryIO:
    """The body of a fetch: what a client has and wants, which is short. Anybody may send one.

    Raises: BodyTooLarge, MalformedBody, StorageFull, Unsupported.
    """
    return _spooled(request, limit=FETCH_BYTES_MAX, inflated_limit=FETCH_BYTES_MAX)


def push_body(request: HttpRequest) -> BinaryIO:
    """The body of a push, which holds a pack. Raises: as `fetch_body`."""
    return _spooled(request, limit=settings.GIT_PUSH_BYTES_MAX, inflated_limit=INFLATED_BYTES_MAX)


def _spooled(request: HttpRequest, *, limit: int, inflated_limit: int) -> BinaryIO:
    """The body in a file that git can read by itself, unpacked if it came as gzip. Nothing has its name, so
    nothing is left of it when this process ends.
    """
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding in {"gzip", "x-gzip"}:
        chunks = inflated(_chunks(request), limit=inflated_limit)
    elif encoding in {"", "identity"}:
        chunks = _bounded(_chunks(request), limit=limit)
    else:
        raise Unsupported(feature=f"Content-Encoding {encoding[:40]}")
    file = temporary_files.nameless("git-")
    try:
        with refusing_when_full():
            for chunk in _with_room(chunks):
                file.write(chunk)
            file.flush()
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _with_room(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same, as long as the disk keeps some room for everybody else. Raises: StorageFull."""
    unchecked = ROOM_CHECKED_BYTES
    for chunk in chunks:
        unchecked += len(chunk)
        if unchecked >= ROOM_CHECKED_BYTES:
            require_room_on_disk(2 * ROOM_CHECKED_BYTES)
            unchecked = 0
        yield chunk


def asks_for_objects(body: BinaryIO) -> bool:
    """True if a fetch asks for content, and not only for the list of refs."""
    # Read past Python's buffer: git will go on where the descriptor stands.
    start = os.pread(body.fileno(), 64, 0)
    return start[4:].startswith((b"want ", b"command=fetch"))


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk


def _bounded(chunks: Iterator[bytes], *, limit: int) -> Iterator[bytes]:
    count = 0
    for chunk in chunks:
        count += len(chunk)
        if count > limit:
            raise BodyTooLarge(limit=limit)
        yield chunk


def inflated(chunks: Iterator[bytes], *, limit: int) -> Iterator[bytes]:
    """Unpack gzip piece by piece, never holding more than a piece.

    Raises: BodyTooLarge as soon as more than `limit` bytes came out, MalformedBody.
    """
    count = 0
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        packed = chunk
        while packed:
            try:
                data = unpacker.decompress(packed, CHUNK_BYTES)
            except zlib.error:
                raise MalformedBody(reason="not gzip") from None
            count += len(data)
            if count > limit:
                raise BodyTooLarge(limit=limit)
            if data:
                yield data
            packed = unpacker.unconsumed_tail
            if unpacker.eof:
                packed = b""
    if not unpacker.eof:
        raise MalformedBody(reason="the gzip data is cut short")
