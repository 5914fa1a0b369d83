"""Every way in which a stranger brings bytes to a repository of others: they count against the stranger."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.repos import quotas
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.hub.lfs.helpers import oid_of, send
from tests.hub.xet import uploads

pytestmark = pytest.mark.django_db
SMALL = b"a line of text\n" * 40
LARGE = bytes(range(256)) * 20  # no text: goes to LFS
PART_BYTES = 2_000
TAKEN = {200, 201, 302}
REFUSED = {400, 401, 403, 404, 413}
# Mounts of Hugging Face's wire.
MOUNTS = ("", "/hf", "/csg", "/ms")


class Stranger:
    """Somebody without a role in olga's repository, with a token for programs and a session for pages."""

    def __init__(self) -> None:
        self.user = make.user("mallory")
        self.headers = make.bearer(self.user)
        self.programs, self.pages = Client(), Client()
        self.pages.force_login(self.user)

    def post(self, path: str, body: Any, kind: str = "application/json", **headers: str) -> Any:
        return self.programs.post(path, body, content_type=kind, headers={**self.headers, **headers})

    def put(self, address: str, data: bytes) -> Any:
        parts = urlsplit(address)
        return self.programs.put(f"{parts.path}?{parts.query}", data, content_type="application/octet-stream")


def ndjson(*lines: tuple[str, dict[str, Any]]) -> bytes:
    header = ("header", {"summary": "A change"})
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in (header, *lines))


def _inline(data: bytes, mount: str = "", where: str = "main?create_pr=1") -> Callable[[Stranger], Any]:
    content = {"path": "new.bin", "content": base64.b64encode(data).decode(), "encoding": "base64"}
    return lambda who: who.post(
        f"{mount}/api/models/olga/thing/commit/{where}", ndjson(("file", content)), "application/x-ndjson"
    )


def _to_own_pull_request(who: Stranger) -> Any:
    opened = who.post("/api/models/olga/thing/discussions", {"title": "Mine", "pullRequest": True}).json()
    return _inline(SMALL, where=f"refs%2Fpr%2F{opened['num']}")(who)


def _batch(who: Stranger, mount: str, data: bytes, *transfers: str) -> Any:
    body = {
        "operation": "upload",
        "transfers": transfers,
        "objects": [{"oid": oid_of(data), "size": len(data)}],
    }
    path = f"{mount}/olga/thing.git/info/lfs/objects/batch"
    return who.post(path, json.dumps(body), "application/vnd.git-lfs+json")


def _lfs(mount: str) -> Callable[[Stranger], Any]:
    def bring(who: Stranger) -> Any:
        answer = _batch(who, mount, LARGE, "basic")
        if answer.status_code != 200:
            return answer
        return who.put(answer.json()["objects"][0]["actions"]["upload"]["href"], LARGE)

    return bring


def _lfs_in_parts(who: Stranger) -> Any:
    answer = _batch(who, "", LARGE, "multipart")
    if answer.status_code != 200:
        return answer
    actions = answer.json()["objects"][0]["actions"]
    header = actions["upload"]["header"]
    addresses = [address for number, address in sorted(header.items()) if number.isdecimal()]
    assert len(addresses) == -(-len(LARGE) // PART_BYTES)
    parts = []
    for number, address in enumerate(addresses):
        sent = who.put(address, LARGE[number * PART_BYTES : (number + 1) * PART_BYTES])
        parts.append({"partNumber": number + 1, "etag": sent["ETag"]})
    whole = urlsplit(actions["upload"]["href"])
    return who.post(f"{whole.path}?{whole.query}", {"oid": oid_of(LARGE), "parts": parts})


def _xet(who: Stranger) -> Any:
    upload = uploads.of(LARGE)
    token = who.programs.get(
        "/api/models/olga/thing/xet-write-token/main?create_pr=1", headers=who.headers
    ).json()["accessToken"]
    kind, bearer = "application/octet-stream", {"Authorization": f"Bearer {token}"}
    for name, data in upload.xorbs.items():
        sent = who.post(f"/xet/v1/xorbs/default/{name}", data, kind, **bearer)
        if sent.status_code != 200:
            return sent
    return who.post("/xet/v1/shards", upload.shard_bytes, kind, **bearer)


def _shared(who: Stranger) -> Any:
    own = make.repository(who.user, "own")
    send(own, LARGE)
    body = {"target": {"type": "model", "name": "olga/thing"}, "files": [{"sha256": oid_of(LARGE)}]}
    return who.post("/api/models/mallory/own/lfs-files/duplicate", body)


def _page_of_uploads(who: Stranger) -> Any:
    file = SimpleUploadedFile("new.bin", LARGE)
    return who.pages.post("/olga/thing/upload/main", {"propose": "1", "message": "Mine", "files": file})


def _page_of_edits(who: Stranger) -> Any:
    form = {
        "path": "new.txt",
        "content": SMALL.decode(),
        "message": "Mine",
        "as_pull_request": "on",
        "parent": "",
    }
    return who.pages.post("/olga/thing/edit/main?new=1", form)


# Way → (how, bytes that count).
WAYS: dict[str, tuple[Callable[[Stranger], Any], int]] = {
    **{
        f"a small file in a commit at {mount or '/'}": (_inline(SMALL, mount), len(SMALL)) for mount in MOUNTS
    },
    "a large file in a commit": (_inline(LARGE), len(LARGE)),
    "a commit to one's own pull request": (_to_own_pull_request, len(SMALL)),
    **{f"LFS at {mount or '/'}": (_lfs(mount), len(LARGE)) for mount in MOUNTS},
    "LFS in parts": (_lfs_in_parts, len(LARGE)),
    "Xet": (_xet, len(LARGE)),
    "a large file of another repository": (_shared, len(LARGE)),
    "the page of uploads": (_page_of_uploads, len(LARGE)),
    "the page of edits": (_page_of_edits, len(SMALL)),
}

# OpenCSG and ModelScope have no proposals: who may not write brings nothing.
CLOSED_WAYS: dict[str, Callable[[Stranger], Any]] = {
    "OpenCSG, preupload": lambda who: who.post("/api/v1/models/olga/thing/preupload/main", {"files": []}),
    "OpenCSG, commit": lambda who: who.post("/api/v1/models/olga/thing/commit/main", {"files": []}),
    "OpenCSG, commit to a pull request": lambda who: who.post(
        "/api/v1/models/olga/thing/commit/refs%2Fpr%2F1", {"files": []}
    ),
    "OpenCSG, form": lambda who: who.programs.post(
        "/api/v1/models/olga/thing/upload_file",
        {"file": SimpleUploadedFile("a.bin", LARGE), "file_path": "a.bin"},
        headers=who.headers,
    ),
    "ModelScope, LFS": lambda who: who.post(
        "/modelscope/api/v1/repos/models/olga/thing/info/lfs/objects/batch",
        {"operation": "upload", "objects": [{"oid": oid_of(LARGE), "size": len(LARGE)}]},
    ),
    "ModelScope, commit": lambda who: who.post(
        "/modelscope/api/v1/repos/models/olga/thing/commit/main", {"actions": []}
    ),
    "git, a branch": lambda who: who.post("/olga/thing.git/git-receive-pack", b"0000", "application/x-git"),
    "a commit to somebody else's pull request": _inline(SMALL, where="refs%2Fpr%2F1"),
    "a commit to a branch": _inline(SMALL, where="main"),
    "Xet, without a proposal": lambda who: who.programs.get(
        "/api/models/olga/thing/xet-write-token/main", headers=who.headers
    ),
}


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def repository(owner: Principal, settings: Settings) -> Repository:
    settings.LFS_PARTS_ABOVE_BYTES, settings.LFS_PART_BYTES = PART_BYTES, PART_BYTES
    return make.repository(owner, "thing")


@pytest.fixture
def stranger() -> Stranger:
    return Stranger()


def used(repository: Repository, user: User) -> tuple[int, int]:
    """Bytes that count against the repository's owner and against a user."""
    repository.refresh_from_db()
    return quotas.storage_used_bytes(repository.namespace), quotas.proposed_bytes(user)


class TestBytesOfAStranger:
    @pytest.mark.parametrize("way", WAYS)
    def test_count_against_the_stranger(self, repository: Repository, stranger: Stranger, way: str) -> None:
        bring, size = WAYS[way]
        before, _ = used(repository, stranger.user)
        answer = bring(stranger)
        assert answer.status_code in TAKEN, answer.content
        assert used(repository, stranger.user) == (before, size)

    @pytest.mark.parametrize("way", WAYS)
    def test_stay_within_the_strangers_room(
        self, repository: Repository, stranger: Stranger, settings: Settings, way: str
    ) -> None:
        bring, size = WAYS[way]
        settings.PROPOSED_BYTES_MAX = size - 1
        before, _ = used(repository, stranger.user)
        assert bring(stranger).status_code not in TAKEN
        assert used(repository, stranger.user) == (before, 0)

    @pytest.mark.parametrize("way", CLOSED_WAYS)
    def test_are_not_taken_where_nothing_can_be_proposed(
        self, owner: Principal, repository: Repository, stranger: Stranger, way: str
    ) -> None:
        assert owner.user is not None
        others = Client().post(
            "/api/models/olga/thing/discussions",
            {"title": "Somebody else's", "pullRequest": True},
            content_type="application/json",
            headers=make.bearer(owner.user),
        )
        assert others.status_code in {200, 201}
        before = used(repository, stranger.user)
        assert CLOSED_WAYS[way](stranger).status_code in REFUSED
        assert used(repository, stranger.user) == before
