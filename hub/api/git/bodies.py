"""Bodies of requests of git-lfs and its relatives (docs/wire/git.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from hub.api.structs import Body, Loose
from hub.lfs.services import BATCH_MAX

PARTS_MAX = 10_000


class WantedObject(Body):
    """The core refuses what is no hash or no size, with errors of its own."""

    oid: Loose = None
    size: Loose = None


class Ref(Body):
    name: str


class Batch(Body):
    """`transfers` may be left out or empty. An `upload_id` is sent by clients that know only parts."""

    operation: Literal["upload", "download"]
    objects: Annotated[list[WantedObject], Meta(max_length=BATCH_MAX)]
    hash_algo: Loose = None
    transfers: Loose = None
    upload_id: Loose | UnsetType = UNSET
    ref: Ref | None = None


class SentPart(Body):
    number: int = field(name="partNumber")
    etag: str


class Completion(Body):
    """The parts with which an upload is completed."""

    parts: Annotated[list[SentPart], Meta(max_length=PARTS_MAX)]


class Stored(Body):
    """The object that a client takes for stored; what is left out is not compared."""

    oid: Loose | UnsetType = UNSET
    size: Loose | UnsetType = UNSET
