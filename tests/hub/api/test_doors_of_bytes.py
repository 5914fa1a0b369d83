"""Conditional requests, ranges and cache rules: one table, every door that serves bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from hub.accounts.principals import ANONYMOUS
from hub.blobstore.s3 import S3Options
from hub.repos.models import Repository
from hub.revisions import services
from hub.revisions.operations import AddBlob, AddLfs
from hub.revisions.services import NewCommit
from hub.revisions.staging import Staging
from hub.xet import tokens
from tests.clock import moment
from tests.factories import hub as make
from tests.hub.xet import uploads, vectors
from tests.servers.s3 import ObjectStore, make_bucket

pytestmark = pytest.mark.django_db

SMALL = b"".join(b"line %d\n" % number for number in range(200))
LARGE = b"".join(b"weight %d\n" % number for number in range(300))
LARGE_OID = hashlib.sha256(LARGE).hexdigest()
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{LARGE_OID}\nsize {len(LARGE)}\n".encode()
BIG = uploads.of(vectors.RANDOM_4M.content)


@dataclass
class Bytes:
    """An address, and the bytes that it serves. `whole` is the status of a request without a range."""

    address: str
    data: bytes
    whole: int = 200


class World:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.alice = make.actor("alice")
        self.repository = make.repository(self.alice, "model")
        self.put("small.txt", SMALL)
        self.put("large.bin", LARGE)

    def put(self, path: str, data: bytes) -> str:
        staged: AddBlob | AddLfs = Staging(
            repository=self.repository, commit=self.repository.head_sha, now=make.NOW
        ).add(path, [data])
        return services.commit(
            actor=self.alice,
            repository=self.repository,
            revision="main",
            request=NewCommit(operations=[staged], title=path),
            now=make.NOW,
        ).oid

    def lfs_object(self) -> Bytes:
        answer = self.client.post(
            "/alice/model.git/info/lfs/objects/batch",
            {"operation": "download", "objects": [{"oid": LARGE_OID, "size": len(LARGE)}]},
            content_type="application/json",
        )
        href = answer.json()["objects"][0]["actions"]["download"]["href"]
        return Bytes(href.removeprefix("http://testserver"), LARGE)

    def xet_data(self) -> Bytes:
        uploads.send(BIG, self.alice, self.repository)
        token = tokens.issue_read_token(actor=ANONYMOUS, repository=self.repository, now=moment())
        plan = self.client.get(
            f"/xet/v1/reconstructions/{vectors.RANDOM_4M.file}",
            headers={"Authorization": f"Bearer {token.text}"},
        ).json()
        [body] = BIG.xorbs.values()
        # The address is of a range already, so its answer says which.
        return Bytes(plan["fetch_info"][vectors.RANDOM_4M.xorb][0]["url"], body, whole=206)


@pytest.fixture
def world(client: Client, settings: Settings, tmp_path: Path) -> World:
    settings.BLOB_ROOT, settings.TEMP_ROOT, settings.S3 = tmp_path / "blobs", tmp_path / "tmp", None
    return World(client)


def at(address: str, data: bytes) -> Callable[[World], Bytes]:
    return lambda _: Bytes(address, data)


DOORS: dict[str, Callable[[World], Bytes]] = {
    **{
        f"{mount or '/'} {word}": at(f"{mount}/alice/model/{address}", data)
        for mount in ("", "/hf", "/csg", "/ms")
        for word, address, data in (
            ("resolve", "resolve/main/small.txt", SMALL),
            ("resolve lfs", "resolve/main/large.bin", LARGE),
            ("raw", "raw/main/small.txt", SMALL),
            ("raw pointer", "raw/main/large.bin", POINTER),
        )
    },
    "modelscope": at("/modelscope/api/v1/models/alice/model/repo?FilePath=small.txt", SMALL),
    "modelscope lfs": at("/modelscope/api/v1/models/alice/model/repo?FilePath=large.bin", LARGE),
    "lfs object": World.lfs_object,
    "xet data": World.xet_data,
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, world: World) -> Bytes:
    return DOORS[request.param](world)


def read(answer: Any) -> Any:
    """The answer, with its bytes in `body`. A file behind it is closed when all of it is read."""
    answer.body = b"".join(answer) if answer.streaming else answer.content
    return answer


def test_every_door_knows_ranges_and_conditions(client: Client, door: Bytes) -> None:
    def get(**headers: str) -> Any:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return read(client.get(door.address, headers=named))

    whole = get()
    assert (whole.status_code, whole.body) == (door.whole, door.data)
    etag = whole["ETag"]
    assert etag == f'"{etag[1:-1]}"'

    part = get(Range="bytes=10-29")
    assert (part.status_code, part.body, part["ETag"]) == (206, door.data[10:30], etag)
    assert part["Content-Range"].startswith("bytes 10-29/")

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = get(If_None_Match=known, Range="bytes=10-29")
        assert (unchanged.status_code, unchanged.body, unchanged["ETag"]) == (304, b"", etag), known
        assert "Content-Length" not in unchanged
        assert "Content-Type" not in unchanged
    for unknown in ('"other"', 'W/"other"', etag.strip('"') + "x", ""):
        assert get(If_None_Match=unknown).status_code == door.whole, unknown

    # A part is only sent to a caller that has the rest of the same bytes.
    same = get(If_Range=etag, Range="bytes=10-29")
    assert (same.status_code, same.body) == (206, door.data[10:30])
    for stale in ('"other"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT", "nonsense"):
        other = get(If_Range=stale, Range="bytes=10-29")
        assert (other.status_code, other.body) == (door.whole, door.data), stale


def test_file_doors_answer_head_bad_ranges_and_if_match(client: Client, world: World) -> None:
    for name, make_door in DOORS.items():
        if name == "xet data":
            continue  # its range is signed: another is 403, and there is no HEAD
        door = make_door(world)
        whole = read(client.get(door.address))
        etag, size = whole["ETag"], str(len(door.data))
        assert whole.body == door.data
        head = read(client.head(door.address))
        assert (head.status_code, head["Content-Length"], head["ETag"]) == (200, size, etag), name
        assert read(client.head(door.address, headers={"If-None-Match": etag})).status_code == 304, name
        beyond = read(client.get(door.address, headers={"Range": f"bytes={size}-"}))
        assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{size}"), name
        tail = read(client.get(door.address, headers={"Range": "bytes=-7"}))
        assert tail.body == door.data[-7:], name
        assert read(client.get(door.address, headers={"If-Match": '"other"'})).status_code == 412, name
        matched = read(client.get(door.address, headers={"If-Match": etag}))
        assert (matched.status_code, matched.body) == (200, door.data), name


class TestResumedDownloads:
    @pytest.mark.parametrize("path", ["f.txt", "f.bin"])
    @pytest.mark.parametrize(
        "address",
        ["/alice/model/resolve/main/{}", "/modelscope/api/v1/models/alice/model/repo?FilePath={}"],
    )
    def test_are_never_spliced_from_two_versions(
        self, client: Client, world: World, path: str, address: str
    ) -> None:
        world.put(path, b"A" * 1000)
        first = read(client.get(address.format(path), headers={"Range": "bytes=0-499"}))
        world.put(path, b"B" * 1000)
        rest = read(
            client.get(address.format(path), headers={"Range": "bytes=500-", "If-Range": first["ETag"]})
        )
        assert (rest.status_code, rest.body) == (200, b"B" * 1000)


PINNED = "public, max-age=31536000, immutable, no-transform"


class TestCacheControl:
    def addresses(self, revision: str) -> list[str]:
        return [
            f"/alice/model/resolve/{revision}/small.txt",
            f"/alice/model/resolve/{revision}/large.bin",
            f"/alice/model/raw/{revision}/small.txt",
            f"/modelscope/api/v1/models/alice/model/repo?FilePath=small.txt&Revision={revision}",
        ]

    def test_keeps_public_files_of_a_whole_commit_id_for_ever(self, client: Client, world: World) -> None:
        for address in self.addresses(world.repository.head_sha):
            answer = read(client.get(address))
            assert answer["Cache-Control"] == PINNED
            again = read(client.get(address, headers={"If-None-Match": answer["ETag"]}))
            assert (again.status_code, again["Cache-Control"]) == (304, PINNED)

    def test_asks_again_for_names_that_move(self, client: Client, world: World) -> None:
        sha = world.repository.head_sha
        for revision in ("main", "refs%2Fheads%2Fmain", "HEAD", sha[:12]):
            for address in self.addresses(revision):
                assert read(client.get(address))["Cache-Control"] == "no-cache, no-transform"

    @pytest.mark.parametrize("change", [{"visibility": "private"}, {"gating": "auto"}, {"gating": "manual"}])
    def test_keeps_nothing_that_rights_guard_in_shared_caches(
        self, client: Client, world: World, change: dict[str, str]
    ) -> None:
        assert world.alice.user is not None
        Repository.objects.filter(pk=world.repository.pk).update(**change)
        headers = make.bearer(world.alice.user)
        for revision in ("main", world.repository.head_sha):
            for address in self.addresses(revision):
                answer = read(client.get(address, headers=headers))
                assert answer.status_code == 200
                assert answer["Cache-Control"] == "private, no-cache, no-transform"

    def test_a_304_asks_for_rights_first(self, client: Client, world: World) -> None:
        address = "/alice/model/resolve/main/small.txt"
        etag = read(client.get(address))["ETag"]
        Repository.objects.filter(pk=world.repository.pk).update(visibility="private")
        answer = read(client.get(address, headers={"If-None-Match": etag}))
        assert answer.status_code in {401, 404}
        assert "Cache-Control" not in answer or "immutable" not in answer["Cache-Control"]


class TestObjectStore:
    """If the bytes are in S3, the hub redirects to the signed address of the store."""

    @pytest.fixture
    def world(self, client: Client, settings: Settings, tmp_path: Path, s3_store: ObjectStore) -> World:
        settings.TEMP_ROOT = tmp_path / "tmp"
        settings.S3 = {
            "bucket": "doors-of-bytes",
            "endpoint": s3_store.endpoint,
            "access_key": s3_store.access_key,
            "secret_key": s3_store.secret_key,
        }
        make_bucket(S3Options(**settings.S3))
        return World(client)

    def test_a_redirect_is_kept_by_no_cache(self, client: Client, world: World) -> None:
        for revision in ("main", world.repository.head_sha):
            answer = client.get(f"/alice/model/resolve/{revision}/large.bin")
            assert (answer.status_code, answer["Cache-Control"]) == (302, "no-store")
            assert answer["ETag"] == f'"{LARGE_OID}"'

    def test_conditions_are_answered_here(self, client: Client, world: World) -> None:
        """The store knows the object by another tag."""
        address, etag = "/alice/model/resolve/main/large.bin", f'"{LARGE_OID}"'
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
        same = read(client.get(address, headers={"Range": "bytes=10-29", "If-Range": etag}))
        assert (same.status_code, same.body) == (206, LARGE[10:30])
        stale = read(client.get(address, headers={"Range": "bytes=10-29", "If-Range": '"old"'}))
        assert (stale.status_code, stale.body) == (200, LARGE)
