"""The operations of a commit, in the core's own types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AddBlob:
    """Put a blob that is in the object database already at a path."""

    path: str
    blob: str
    size: int


@dataclass(frozen=True, slots=True)
class AddLfs:
    """Put a pointer to a large object at a path. `size` None: whatever the stored object has."""

    path: str
    oid: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Put what `source` is in the parent commit at a path."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Raises when there is no such file, unless `missing_ok`. `or_folder`: the path may name a folder."""

    path: str
    missing_ok: bool = False
    or_folder: bool = False


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    path: str


Operation = AddBlob | AddLfs | Copy | DeleteFile | DeleteFolder
OPERATIONS_MAX = 100_000
