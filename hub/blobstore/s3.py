"""Blobs in an S3 bucket.

The hub talks to `endpoint`; people's clients are given URLs on `public_endpoint`, which may be
another origin. Large objects go up in parts, and move by a copy that the store makes itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foundation import spans
from hub.blobstore.store import (
    Blob,
    BlobMissing,
    BlobReader,
    InvalidPart,
    Part,
    StorageFull,
    StoreUnreachable,
    UploadMissing,
    check_key,
    check_part_number,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 takes parts of at least 5 MiB; 16 MiB lets 10,000 of them hold 160 GB.
PART_BYTES = 16 * 1024 * 1024
FULL_CODES = {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded"}
MISSING_CODES = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, slots=True)
class S3Options:
    """The address of the bucket. With empty keys, boto3 looks for credentials by itself."""

    bucket: str
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    prefix: str = ""
    presign: bool = True
    # True: the bucket is part of the host name. Some stores refuse it in the path.
    is_virtual_host: bool = False


class ObjectRange(BlobReader):
    """The body of a GET, read in order."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        with _translated():
            data: bytes = self._body.read(None if size < 0 else size)
        return data

    def close(self) -> None:
        self._body.close()


class S3BlobStore:
    """The store for several machines. See BlobStore."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.bucket = options.bucket

    @cached_property
    def client(self) -> S3Client:
        return self._connect(self.options.endpoint)

    @cached_property
    def public_client(self) -> S3Client:
        return self._connect(self.options.public_endpoint or self.options.endpoint)

    @spans.traced("blobstore.put")
    def put_file(self, key: str, path: Path) -> None:
        name = self._name(key)
        with _translated():
            self.client.upload_file(str(path), self.bucket, name, Config=_transfers())
        path.unlink()

    @spans.traced("blobstore.put")
    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        source = _Counted(chunks)
        with _translated():
            first = source.take(PART_BYTES)
            if len(first) < PART_BYTES:
                self.client.put_object(Bucket=self.bucket, Key=self._name(key), Body=first)
                return source.count
        upload_id = self.create_upload(key)
        try:
            parts: list[Part] = []
            data = first
            while data:
                parts.append(self._put_part(key, upload_id, len(parts) + 1, io.BytesIO(data)))
                data = source.take(PART_BYTES)
            self.complete_upload(key, upload_id, parts)
        except BaseException:
            self.abort_upload(key, upload_id)
            raise
        return source.count

    @spans.traced("blobstore.get")
    def open(self, key: str, start: int = 0, end: int | None = None) -> ObjectRange:
        if end is not None and end <= start:
            if not self.exists(key):
                raise BlobMissing(key=key)
            return ObjectRange(io.BytesIO())
        arguments: dict[str, Any] = {}
        if start or end is not None:
            arguments["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with _translated(missing=lambda: BlobMissing(key=key)):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._name(key), **arguments)
            except self.client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 416:
                    raise
                return ObjectRange(io.BytesIO())
        return ObjectRange(answer["Body"])

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self.open(key, start, end) as reader:
            return reader.read()

    @spans.traced("blobstore.get")
    def readinto(self, key: str, buffer: memoryview, start: int = 0) -> int:
        data = self.read(key, start, start + len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def size(self, key: str) -> int | None:
        with suppress(BlobMissing), _translated(missing=lambda: BlobMissing(key=key)):
            answer = self.client.head_object(Bucket=self.bucket, Key=self._name(key))
            return answer["ContentLength"]
        return None

    def exists(self, key: str) -> bool:
        return self.size(key) is not None

    def delete(self, key: str) -> None:
        with _translated():
            self.client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def list(self, prefix: str) -> Iterator[Blob]:
        whole = prefix.rstrip("/")
        if whole and (size := self.size(whole)) is not None:
            answer = self.client.head_object(Bucket=self.bucket, Key=self._name(whole))
            yield Blob(whole, size, answer["LastModified"])
        folder = self.options.prefix + (check_key(whole) + "/" if whole else "")
        pages = self.client.get_paginator("list_objects_v2")
        with _translated():
            for page in pages.paginate(Bucket=self.bucket, Prefix=folder):
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self.options.prefix)
                    yield Blob(key, item["Size"], item["LastModified"])

    def move(self, key: str, new_key: str) -> None:
        with _translated(missing=lambda: BlobMissing(key=key)):
            source = {"Bucket": self.bucket, "Key": self._name(key)}
            self.client.copy(source, self.bucket, self._name(new_key))  # type: ignore[arg-type]
            self.client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def presign_get(
        self,
        key: str,
        *,
        expires_seconds: int,
        disposition: str = "",
        content_type: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> str | None:
        parameters = {"Bucket": self.bucket, "Key": self._name(key)}
        if disposition:
            parameters["ResponseContentDisposition"] = disposition
        if content_type:
            parameters["ResponseContentType"] = content_type
        if byte_range:
            parameters["Range"] = f"bytes={byte_range[0]}-{byte_range[1] - 1}"
        return self._presign("get_object", parameters, expires_seconds)

    def presign_put(self, key: str, *, expires_seconds: int) -> str | None:
        parameters = {"Bucket": self.bucket, "Key": self._name(key)}
        return self._presign("put_object", parameters, expires_seconds)

    def local_path(self, key: str) -> Path | None:
        return None

    def create_upload(self, key: str) -> str:
        with _translated():
            answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=self._name(key))
        return answer["UploadId"]

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_seconds: int) -> str | None:
        parameters = {
            "Bucket": self.bucket,
            "Key": self._name(key),
            "UploadId": upload_id,
            "PartNumber": check_part_number(number),
        }
        return self._presign("upload_part", parameters, expires_seconds)

    @spans.traced("blobstore.put")
    def put_part(self, key: str, upload_id: str, number: int, path: Path) -> Part:
        with path.open("rb") as file:
            part = self._put_part(key, upload_id, number, file)
        path.unlink()
        return part

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        newest = {part.number: part for part in self._received(key, upload_id)}
        return [newest[number] for number in sorted(newest)]

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        received = {(part.number, part.etag) for part in self._received(key, upload_id)}
        for part in parts:
            if (part.number, part.etag) not in received:
                raise InvalidPart(number=part.number)
        with _translated(missing=UploadMissing):
            self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self._name(key),
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": part.number, "ETag": part.etag}
                        for part in sorted(parts, key=lambda part: part.number)
                    ]
                },
            )

    def abort_upload(self, key: str, upload_id: str) -> None:
        with suppress(UploadMissing), _translated(missing=UploadMissing):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=self._name(key), UploadId=upload_id)

    def discard_unfinished(self, before: datetime) -> int:
        count = 0
        pages = self.client.get_paginator("list_multipart_uploads")
        with _translated():
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.options.prefix):
                for item in page.get("Uploads", []):
                    if item["Initiated"] < before:
                        self.client.abort_multipart_upload(
                            Bucket=self.bucket, Key=item["Key"], UploadId=item["UploadId"]
                        )
                        count += 1
        return count

    def _connect(self, endpoint: str) -> S3Client:
        # boto3 takes a third of a second to import: only those who use S3 wait for it.
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=self.options.region,
            aws_access_key_id=self.options.access_key or None,
            aws_secret_access_key=self.options.secret_key or None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": self._style(endpoint)},
                retries={"max_attempts": 3, "mode": "standard"},
                connect_timeout=5,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _style(self, endpoint: str) -> Literal["virtual", "path", "auto"]:
        if self.options.is_virtual_host:
            return "virtual"
        return "path" if endpoint else "auto"

    def _name(self, key: str) -> str:
        return self.options.prefix + check_key(key)

    def _presign(self, method: str, parameters: dict[str, Any], expires_seconds: int) -> str | None:
        if not self.options.presign:
            return None
        return self.public_client.generate_presigned_url(method, Params=parameters, ExpiresIn=expires_seconds)

    def _received(self, key: str, upload_id: str) -> Sequence[Part]:
        """List parts, oldest first. Some servers list a part that was sent twice twice."""
        pages = self.client.get_paginator("list_parts")
        with _translated(missing=UploadMissing):
            items = [
                item
                for page in pages.paginate(Bucket=self.bucket, Key=self._name(key), UploadId=upload_id)
                for item in page.get("Parts", [])
            ]
        items.sort(key=lambda item: item["LastModified"])
        return [Part(item["PartNumber"], item["ETag"].strip('"'), item["Size"]) for item in items]

    def _put_part(self, key: str, upload_id: str, number: int, file: Any) -> Part:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        with _translated(missing=UploadMissing):
            answer = self.client.upload_part(
                Bucket=self.bucket,
                Key=self._name(key),
                UploadId=upload_id,
                PartNumber=check_part_number(number),
                Body=file,
            )
        return Part(number, answer["ETag"].strip('"'), size)


class _Counted:
    """Chunks of any size, taken in pieces of a wanted size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = bytearray()
        self.count = 0

    def take(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        data = bytes(self._rest[:size])
        del self._rest[:size]
        self.count += len(data)
        return data


def _transfers() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=64 * 1024 * 1024, multipart_chunksize=PART_BYTES)


@contextmanager
def _translated(missing: Callable[[], Exception] | None = None) -> Iterator[None]:
    """Turn what boto3 raises into refusals; `missing` makes the one for "no such thing"."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3UploadFailedError as error:
        if any(code in str(error) for code in FULL_CODES):
            raise StorageFull from error
        raise StoreUnreachable from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if missing is not None and code in MISSING_CODES | {"NoSuchUpload", "InvalidPart"}:
            raise missing() from error
        if code in FULL_CODES or status == 507:
            raise StorageFull from error
        if status >= 500 or status == 429:
            raise StoreUnreachable from error
        raise
    except (BotoCoreError, HTTPError) as error:
        raise StoreUnreachable from error
