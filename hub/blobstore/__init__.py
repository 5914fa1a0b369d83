"""Object bytes, in a local directory or in S3. `get_store()` is the one the settings name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from hub.blobstore.local import LocalBlobStore
from hub.blobstore.s3 import S3BlobStore, S3Options
from hub.blobstore.store import (
    Blob,
    BlobMissing,
    BlobReader,
    BlobStore,
    InvalidPart,
    Part,
    StorageFull,
    StoreUnreachable,
    UploadMissing,
    refusing_when_full,
    temporary_file,
)

__all__ = [
    "Blob",
    "BlobMissing",
    "BlobReader",
    "BlobStore",
    "InvalidPart",
    "LocalBlobStore",
    "Part",
    "S3BlobStore",
    "S3Options",
    "StorageFull",
    "StoreUnreachable",
    "UploadMissing",
    "get_store",
    "refusing_when_full",
    "store_at",
    "temporary_file",
]


def get_store() -> BlobStore:
    """Return the store that the settings name: S3 when a bucket is given, else a local directory."""
    options = settings.S3
    if options is None:
        return _local(str(settings.BLOB_ROOT))
    return _s3(S3Options(**options))


def store_at(address: str) -> S3BlobStore:
    """The store at `s3://BUCKET/PREFIX`, for what is kept beside the objects.

    It is reached with the settings of the hub's own bucket if there is one, else with boto3's variables.
    """
    parts = urlsplit(address)
    prefix = f"{path}/" if (path := parts.path.strip("/")) else ""
    own: dict[str, Any] = settings.S3 or {}
    return S3BlobStore(S3Options(**{**own, "bucket": parts.netloc, "prefix": prefix}))


@lru_cache(maxsize=8)
def _local(root: str) -> LocalBlobStore:
    return LocalBlobStore(root)


@lru_cache(maxsize=8)
def _s3(options: S3Options) -> S3BlobStore:
    return S3BlobStore(options)
