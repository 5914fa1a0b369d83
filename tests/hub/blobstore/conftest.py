from __future__ import annotations

from pathlib import Path

import pytest

from hub.blobstore import BlobStore, LocalBlobStore, S3BlobStore, S3Options
from tests.servers.s3 import ObjectStore, make_bucket


@pytest.fixture(scope="session")
def s3_options(s3_store: ObjectStore) -> S3Options:
    """The options of a bucket that is there."""
    made = S3Options(
        bucket="blobstore-contract",
        endpoint=s3_store.endpoint,
        access_key=s3_store.access_key,
        secret_key=s3_store.secret_key,
        region=s3_store.region,
    )
    make_bucket(made)
    return made


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each adapter in turn: the contract suite runs on both."""
    if request.param == "local":
        return LocalBlobStore(tmp_path / "blobs")
    return S3BlobStore(request.getfixturevalue("s3_options"))
