"""The same files through every door: each is announced and stored in the same form (ADR 0179)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from hub.repos.models import Repository
from hub.revisions import selectors
from hub.revisions.staging import Staging
from hub.revisions.uploads import OfferedFile, UploadRule, looks_binary, plan_upload
from tests.factories import hub as make

pytestmark = pytest.mark.django_db

LIMIT = 1000
# The repository's own `.gitattributes` tracks *.safetensors. The upload replaces it by one that tracks more.
GIVEN = b"*.safetensors filter=lfs\n*.given filter=lfs\n"


@dataclass(frozen=True, slots=True)
class Sample:
    path: str
    data: bytes
    is_large: bool


FILES = (
    Sample("note.txt", b"hello", is_large=False),
    Sample("whole.txt", b"x" * LIMIT, is_large=False),
    Sample("long.txt", b"x" * (LIMIT + 1), is_large=True),
    Sample("sub/w.safetensors", b"w", is_large=True),
    Sample("empty.safetensors", b"", is_large=False),
    Sample("a.given", b"g", is_large=True),
    Sample("empty.given", b"", is_large=False),
    Sample("bytes", b"\0\1\2", is_large=False),
)
BY_NAME = {file.path: file.is_large for file in FILES}


class Alice:
    """Her calls, and the repository they go to."""

    def __init__(self, client: Client) -> None:
        user = make.user("alice")
        self.client, self.headers = client, make.bearer(user)
        self.repo = make.repository(make.actor("alice"), "model")

    def post(self, path: str, body: object) -> object:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self.client.post(path, text, content_type="application/json", headers=self.headers)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def stored(self) -> dict[str, bool]:
        self.repo.refresh_from_db()
        git = selectors.git_of(self.repo)
        entries = git.entries(self.repo.head_sha, "", recursive=True)
        return {entry.path: entry.pointer is not None for entry in entries if entry.path in BY_NAME}


@pytest.fixture
def alice(client: Client, settings: Settings) -> Alice:
    settings.LFS_THRESHOLD_BYTES = LIMIT
    return Alice(client)


def brought() -> Iterable[tuple[str, bytes]]:
    yield ".gitattributes", GIVEN
    for file in FILES:
        yield file.path, file.data


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hf(alice: Alice) -> None:
    lines = [{"key": "header", "value": {"summary": "m"}}]
    lines += [
        {"key": "file", "value": {"path": path, "encoding": "base64", "content": text(data)}}
        for path, data in brought()
    ]
    alice.post("/api/models/alice/model/commit/main", "\n".join(json.dumps(line) for line in lines))


def csghub(alice: Alice) -> None:
    files = [{"path": path, "action": "create", "content": text(data)} for path, data in brought()]
    alice.post("/api/v1/models/alice/model/commit/main", {"message": "m", "files": files})


def csghub_forms(alice: Alice) -> None:
    for path, data in brought():
        form = {"file": SimpleUploadedFile("f", data), "file_path": path, "branch": "main"}
        answer = alice.client.post("/api/v1/models/alice/model/upload_file", form, headers=alice.headers)
        assert answer.status_code == 200


def modelscope(alice: Alice) -> None:
    actions = [
        {"action": "create", "path": path, "type": "normal", "encoding": "base64", "content": text(data)}
        for path, data in brought()
    ]
    alice.post("/modelscope/api/v1/repos/models/alice/model/commit/master", {"actions": actions})


def page(alice: Alice) -> None:
    """The form names no folders, so it is sent once for each."""
    alice.client.force_login(make.actor("alice").user)
    folders: dict[str, list[SimpleUploadedFile]] = {}
    for path, data in brought():
        folder = str(Path(path).parent)
        folders.setdefault("" if folder == "." else folder, []).append(
            SimpleUploadedFile(Path(path).name, data)
        )
    for folder, files in folders.items():
        answer = alice.client.post(f"/alice/model/upload/main/{folder}".rstrip("/"), {"files": files})
        assert answer.status_code == 302


def staged(alice: Alice) -> None:
    """Not a door, but what they all use: the same file from content that comes in small pieces."""
    with Staging(repository=alice.repo, commit=alice.repo.head_sha, now=make.NOW) as staging:
        for path, data in brought():
            staged = staging.add(path, (data[at : at + 100] for at in range(0, len(data), 100)))
            if path in BY_NAME:
                assert hasattr(staged, "oid") is BY_NAME[path], path


class TestContent:
    @pytest.mark.parametrize("send", [hf, csghub, csghub_forms, modelscope, page])
    def test_is_stored_in_the_same_form_by_every_door(
        self, alice: Alice, send: Callable[[Alice], None]
    ) -> None:
        send(alice)
        assert alice.stored() == BY_NAME

    def test_is_staged_in_that_form(self, alice: Alice) -> None:
        staged(alice)


class TestPreupload:
    """A preupload announces the way in which a commit then stores the same content."""

    def test_announces_what_is_stored(self, alice: Alice) -> None:
        offered = [{"path": file.path, "size": len(file.data)} for file in FILES]
        answer = alice.post(
            "/api/models/alice/model/preupload/main", {"files": offered, "gitAttributes": GIVEN.decode()}
        )
        assert modes(answer) == BY_NAME

    def test_announces_the_same_in_both_dialects(self, alice: Alice) -> None:
        # OpenCSG's client gives no attributes of its own.
        offered = {"files": [{"path": file.path, "size": len(file.data)} for file in FILES]}
        csg = alice.post("/api/v1/models/alice/model/preupload/main", offered)
        assert isinstance(csg, dict)
        announced = modes(alice.post("/api/models/alice/model/preupload/main", offered))
        assert modes(csg["data"]) == announced == BY_NAME | {"a.given": False}

    def test_takes_a_sample_as_advice(self, alice: Alice) -> None:
        offered = [{"path": "bytes", "size": 3, "sample": text(b"\0\1\2")}]
        answer = alice.post("/api/models/alice/model/preupload/main", {"files": offered})
        assert modes(answer) == {"bytes": True}


def modes(answer: object) -> dict[str, bool]:
    assert isinstance(answer, dict)
    return {row["path"]: row["uploadMode"] == "lfs" for row in answer["files"]}


class TestFirstFiles:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
    def test_are_refused_where_they_would_be_large(self, alice: Alice, file: Sample) -> None:
        # All that stay inline, and this one.
        files = {path: data for path, data in brought() if not BY_NAME.get(path)} | {file.path: file.data}
        body = {
            "name": "fresh",
            "files": [{"path": path, "content": text(data)} for path, data in files.items()],
        }
        answer = alice.client.post(
            "/api/repos/create", json.dumps(body), content_type="application/json", headers=alice.headers
        )
        assert answer.status_code == (400 if file.is_large else 200), answer.content


class TestRule:
    @pytest.mark.parametrize(
        ("sample", "is_binary"),
        [
            (b"", False),
            (b"plain", False),
            (b"a\0b", True),
            ("é".encode()[:1], False),
            (b"x" * 511 + "é".encode()[:1], False),
            (b"\xff" + b"x" * 10, True),
            (b"x" * 512 + b"\0", False),
        ],
    )
    def test_reads_the_first_512_bytes(self, sample: bytes, is_binary: bool) -> None:
        assert looks_binary(sample) is is_binary

    def test_ignores_given_attributes_that_git_would_not_read(self) -> None:
        rule = UploadRule(None, None, given=GIVEN + b"#" * (1 << 20))
        assert not rule.is_large("a.given", 1)
        rule.give(GIVEN)
        assert rule.is_large("a.given", 1)

    def test_needs_no_repository_for_a_first_commit(self) -> None:
        rule = UploadRule(None, None, given=b"*.given filter=lfs\n")
        assert [rule.is_large(name, 1) for name in ("a.given", "w.safetensors")] == [True, False]

    def test_answers_what_a_path_holds(self, alice: Alice) -> None:
        hf(alice)
        found = Repository.objects.get(pk=alice.repo.pk)
        offered = [OfferedFile(path=name, size=1) for name in ("note.txt", "long.txt", "sub", "none")]
        planned = plan_upload(repository=found, commit=found.head_sha, files=offered)
        assert [len(file.held_oid or "") for file in planned] == [40, 64, 0, 0]
