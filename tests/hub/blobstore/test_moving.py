"""Files of a blob folder can be copied into a bucket as they are (docs/operate/growing.md)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hub.blobstore import LocalBlobStore, S3BlobStore, S3Options


@pytest.mark.parametrize("prefix", ["", "hub/"])
def test_files_of_a_folder_are_objects_of_a_bucket(
    prefix: str, s3_options: S3Options, tmp_path: Path
) -> None:
    root = tmp_path / "blobs"
    here = LocalBlobStore(root)
    keys = {
        f"{room}/ab/ab{number}{len(prefix)}": f"{room} {number}".encode()
        for room in ("lfs", "xet")
        for number in range(2)
    }
    for key, data in keys.items():
        here.put_stream(key, [data])
    there = S3BlobStore(replace(s3_options, prefix=prefix))
    for path in root.rglob("*"):
        if path.is_file():
            there.client.upload_file(str(path), there.bucket, prefix + path.relative_to(root).as_posix())
    assert {key: there.read(key) for key in keys} == keys
