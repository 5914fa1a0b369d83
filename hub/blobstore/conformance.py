"""Does an S3 store do what the hub asks of it? Stores of other makes differ in what they leave out.

Each check writes below a folder of its own in the bucket and deletes what it wrote. It says what follows from
its failure, so that an operator can judge it.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import urllib3

from foundation.errors import Refusal
from hub.blobstore.s3 import S3BlobStore
from hub.blobstore.store import BlobMissing, Part, UploadMissing

FOLDER = "probe"
# Stores take parts of at least 5 MiB, but for the last one.
PART_BYTES = 5 * 1024 * 1024
# Signatures are refused where clocks differ by a quarter of an hour; signed addresses suffer earlier.
SKEW_SECONDS_MAX = 60
LIST_PAGE = 2
SECONDS = 30.0

MISSING_FOLLOWS = (
    "Uploads fail: a missing object must be 404. AWS says 403 to keys that may not list the bucket"
    " (s3:ListBucket)."
)
TRAILERS_FOLLOWS = "Nothing in the hub; it sends none. Newer programs of AWS send them by default."


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `problem` is empty where the store passed, `follows` says what failing means.

    The hub works without what `is_needed` does not hold for.
    """

    name: str
    problem: str
    follows: str
    is_needed: bool


class Question(NamedTuple):
    """One check: its name, the function that raises where the store fails, and what follows then."""

    name: str
    ask: Callable[[], None]
    follows: str
    is_needed: bool = True


class Differs(Exception):
    """The store did something else than S3 does; the message says what."""


def check(store: S3BlobStore, *, origin: str, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Run every check, and yield its outcome when it is known.

    `origin` is the public address of the hub's pages, `now` its clock.
    """
    probe = _Probe(store, origin, now)
    try:
        for question in probe.questions():
            problem = ""
            try:
                question.ask()
            except Differs as error:
                problem = str(error)
            except Exception as error:  # noqa: BLE001 - whatever a strange store makes boto3 raise
                cause = error.__cause__ if isinstance(error, Refusal) and error.__cause__ else error
                problem = f"{type(cause).__name__}: {cause}"
            yield Finding(question.name, problem, question.follows, question.is_needed)
            if problem and question.name == "addresses":  # all others would fail too
                return
    finally:
        probe.clear()


class _Probe:
    """The checks, and the names of what they wrote."""

    def __init__(self, store: S3BlobStore, origin: str, now: Callable[[], datetime]) -> None:
        self.store, self.origin, self.now = store, origin, now
        self.folder = f"{FOLDER}/{secrets.token_hex(8)}"
        self.http = urllib3.PoolManager(timeout=SECONDS, retries=False)

    def questions(self) -> list[Question]:
        signed = self.store.options.presign
        direct = "set BAZAAR_S3_PRESIGN=no: then all bytes go through the hub"
        cors = f"let the bucket allow PUT and GET from {self.origin} and expose ETag"
        needed = [
            Question("addresses", self._addresses, "The hub can neither read nor write."),
            Question("missing objects", self._missing, MISSING_FOLLOWS),
            Question("overwriting and deleting", self._overwriting, "Old bytes are served as new ones."),
            Question("ranges", self._ranges, "Resumed downloads and Xet get wrong bytes."),
            Question("copies", self._copies, "Finished uploads cannot be moved to their place."),
            Question("copies in parts", self._part_copies, "Uploads of more than 8 MiB cannot be finished."),
            Question("uploads in parts", self._parts, "Large uploads fail, or are refused at their end."),
            Question("aborted uploads", self._aborts, "Bytes of broken uploads stay and are paid for."),
            Question("pages of lists", self._list_pages, "Unused objects stay, and backups miss files."),
            Question(
                "clock", self._clock, "Signed addresses end early or begin late: set both clocks by NTP."
            ),
        ]
        for_clients = [
            Question("signed downloads", self._signed_get, f"Downloads fail; {direct}."),
            Question("signed downloads of ranges", self._signed_range, f"Xet downloads fail; {direct}."),
            Question("signed uploads", self._signed_put, f"LFS uploads fail; {direct}."),
        ]
        cors_follows = f"Pages cannot send files to the store; {cors}."
        others = [
            *([Question("uploads by browsers (CORS)", self._cors, cors_follows)] if signed else []),
            Question(
                "ETag of parts", self._part_etags, "Nothing in the hub; it compares, and computes none."
            ),
            Question("order of lists", self._list_order, "Nothing in the hub; it sorts what it compares."),
            Question("If-None-Match", self._if_none_match, "Nothing in the hub; it does not rely on it."),
            Question("checksum trailers", self._trailers, TRAILERS_FOLLOWS),
        ]
        return [
            *needed,
            *(for_clients if signed else []),
            *(each._replace(is_needed=False) for each in others),
        ]

    def clear(self) -> None:
        """Delete what the checks wrote. A store that fails here has failed before."""
        with contextlib.suppress(Refusal, self.store.client.exceptions.ClientError):
            for blob in self.store.list(self.folder):
                self.store.delete(blob.key)
        self.http.clear()

    # ---- objects ---------------------------------------------------------------------------------

    def _addresses(self) -> None:
        self._put("first", b"first")
        self._expect("the object", self.store.read(self._key("first")), b"first")

    def _missing(self) -> None:
        try:
            self.store.read(self._key("absent"))
        except BlobMissing:
            pass
        else:
            raise Differs("an object that was never written can be read")
        self._expect("the size of a missing object", self.store.size(self._key("absent")), None)

    def _overwriting(self) -> None:
        for text in (b"old", b"newer"):
            self._put("twice", text)
            self._expect("an object just written", self.store.read(self._key("twice")), text)
        self.store.delete(self._key("twice"))
        self._expect("a deleted object's size", self.store.size(self._key("twice")), None)
        self.store.delete(self._key("twice"))

    def _ranges(self) -> None:
        self._put("ranged", b"0123456789")
        key = self._key("ranged")
        self._expect("bytes 2 to 4", self.store.read(key, 2, 5), b"234")
        self._expect("bytes from 8 on", self.store.read(key, 8), b"89")
        self._expect("bytes past the end", self.store.read(key, 10, 12), b"")

    def _copies(self) -> None:
        self._put("source", b"moved")
        self.store.move(self._key("source"), self._key("target"))
        self._expect("a moved object", self.store.read(self._key("target")), b"moved")
        self._expect("the size at its old place", self.store.size(self._key("source")), None)

    # ---- uploads in parts ------------------------------------------------------------------------

    def _parts(self) -> None:
        key, bodies = self._key("parts"), (b"a" * PART_BYTES, b"a" * PART_BYTES, b"bcd")
        upload, parts = self._upload(key, bodies)
        self._expect("the parts in its list", list(self.store.list_parts(key, upload)), parts)
        self._expect("its size before it is complete", self.store.size(key), None)
        self.store.complete_upload(key, upload, parts)
        self._expect("its size", self.store.size(key), sum(map(len, bodies)))
        border = 2 * PART_BYTES
        self._expect("bytes over a border", self.store.read(key, border - 1, border + 2), b"abc")

    def _part_copies(self) -> None:
        """boto3 copies what has more than 8 MiB in parts."""
        key, body = self._key("large"), b"a" * (2 * PART_BYTES)
        self.store.put_stream(key, [body])
        self.store.move(key, self._key("large-moved"))
        self._expect("the size of a moved object", self.store.size(self._key("large-moved")), len(body))

    def _part_etags(self) -> None:
        body = b"some bytes"
        key = self._key("etag")
        upload, (part,) = self._upload(key, (body,))
        self.store.abort_upload(key, upload)
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._expect("the ETag of a part", part.etag, digest)

    def _aborts(self) -> None:
        key = self._key("aborted")
        upload, _ = self._upload(key, (b"part",))
        self.store.abort_upload(key, upload)
        with contextlib.suppress(UploadMissing):
            if self.store.list_parts(key, upload):
                raise Differs("an aborted upload still lists its parts")
        self._expect("the size of an aborted upload", self.store.size(key), None)
        listed = self.store.client.list_multipart_uploads(
            Bucket=self.store.bucket, Prefix=self._name("aborted")
        )
        self._expect("unfinished uploads after the abort", listed.get("Uploads", []), [])

    def _upload(self, key: str, bodies: tuple[bytes, ...]) -> tuple[str, list[Part]]:
        upload = self.store.create_upload(key)
        parts = []
        with TemporaryDirectory() as folder:
            for number, body in enumerate(bodies, 1):
                path = Path(folder) / str(number)
                path.write_bytes(body)
                parts.append(self.store.put_part(key, upload, number, path))
        return upload, parts

    # ---- lists -----------------------------------------------------------------------------------

    def _list_pages(self) -> None:
        self._expect("listed objects", sorted(self._listed()), sorted(self._listable()))

    def _list_order(self) -> None:
        self._expect("listed objects", self._listed(), self._listable())

    def _listable(self) -> list[str]:
        """Names in the order of their bytes."""
        return [self._name(f"list/{name}") for name in ("a", "b-", "b/c", "b0", "c")]

    def _listed(self) -> list[str]:
        for name in reversed(self._listable()):
            self.store.client.put_object(Bucket=self.store.bucket, Key=name, Body=b"")
        pages = self.store.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.store.bucket, Prefix=self._name("list/"), PaginationConfig={"PageSize": LIST_PAGE}
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    # ---- signed addresses, clock, and what only other programs need ------------------------------

    def _clock(self) -> None:
        answer = self.store.client.head_bucket(Bucket=self.store.bucket)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        if not date:
            raise Differs("the store does not say what time it is")
        skew = (parsedate_to_datetime(date) - self.now()).total_seconds()
        if abs(skew) > SKEW_SECONDS_MAX:
            raise Differs(f"the store's clock is {abs(skew):.0f} seconds {'ahead' if skew > 0 else 'behind'}")

    def _signed_get(self) -> None:
        self._put("signed", b"0123456789")
        url = self.store.presign_get(
            self._key("signed"),
            expires_seconds=300,
            disposition="attachment; filename=x.bin",
            content_type="text/plain",
        )
        answer = self._fetch("GET", url)
        self._expect("status and bytes", (answer.status, answer.data), (200, b"0123456789"))
        self._expect("type", answer.headers.get("Content-Type", "").partition(";")[0], "text/plain")
        self._expect("disposition", answer.headers.get("Content-Disposition"), "attachment; filename=x.bin")
        part = self._fetch("GET", url, headers={"Range": "bytes=3-5"})
        self._expect("status and bytes of a range", (part.status, part.data), (206, b"345"))

    def _signed_range(self) -> None:
        self._put("signed-range", b"0123456789")
        url = self.store.presign_get(self._key("signed-range"), expires_seconds=300, byte_range=(2, 5))
        answer = self._fetch("GET", url, headers={"Range": "bytes=2-4"})
        self._expect("status and bytes", (answer.status, answer.data), (206, b"234"))
        other = self._fetch("GET", url, headers={"Range": "bytes=0-8"})
        if other.status < 400:
            raise Differs("an address that is signed for some bytes gives others")

    def _signed_put(self) -> None:
        url = self.store.presign_put(self._key("sent"), expires_seconds=300)
        self._expect("status", self._fetch("PUT", url, body=b"sent").status, 200)
        self._expect("the object", self.store.read(self._key("sent")), b"sent")

    def _cors(self) -> None:
        url = self.store.presign_put(self._key("browser"), expires_seconds=300)
        if not self.origin:
            raise Differs("not asked, because BAZAAR_PUBLIC_URL is not set")
        asked = {"Origin": self.origin, "Access-Control-Request-Method": "PUT"}
        answer = self._fetch("OPTIONS", url, headers=asked)
        allowed = answer.headers.get("Access-Control-Allow-Origin", "")
        if answer.status >= 400 or allowed not in {"*", self.origin}:
            raise Differs(f"status {answer.status}, allowed origin {allowed or 'none'}")

    def _if_none_match(self) -> None:
        self._put("once", b"once")
        try:
            self.store.client.put_object(
                Bucket=self.store.bucket, Key=self._name("once"), Body=b"again", IfNoneMatch="*"
            )
        except self.store.client.exceptions.ClientError as error:
            self._expect("status", error.response["ResponseMetadata"]["HTTPStatusCode"], 412)
        else:
            raise Differs("an object was overwritten that must not be there")

    def _trailers(self) -> None:
        self.store.client.put_object(
            Bucket=self.store.bucket, Key=self._name("trailer"), Body=b"trailed", ChecksumAlgorithm="CRC32"
        )
        self._expect("the object", self.store.read(self._key("trailer")), b"trailed")

    # ---- helpers ---------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _name(self, name: str) -> str:
        return f"{self.store.options.prefix}{self._key(name)}"

    def _put(self, name: str, body: bytes) -> None:
        self.store.put_stream(self._key(name), [body])

    def _fetch(self, method: str, url: str | None, **named: Any) -> urllib3.BaseHTTPResponse:
        if url is None:
            raise Differs("BAZAAR_S3_PRESIGN is off")
        return self.http.request(method, url, **named)

    @staticmethod
    def _expect(what: str, found: object, expected: object) -> None:
        if found != expected:
            raise Differs(f"{what}: {_short(found)} instead of {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}…"
