from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.blobstore import BlobStore, LocalBlobStore, S3BlobStore, S3Options
from tests.seaweed import running_seaweed


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Options]:
    with running_seaweed(tmp_path_factory.mktemp("seaweed")) as options:
        made = S3Options(**options)  # type: ignore[arg-type]
        S3BlobStore(made).make_bucket()
        yield made


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each adapter in turn: the contract suite runs on both."""
    if request.param == "local":
        return LocalBlobStore(tmp_path / "blobs")
    return S3BlobStore(request.getfixturevalue("s3_options"))
