"""Behaviour that ModelScope's client relies on and its command line does not show."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.api.modelscope import content, render
from hub.repos.models import Gating, Kind, Repository
from hub.revisions import reading, selectors
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit, commit, create_tag
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db

API = "/modelscope/api/v1"


@pytest.fixture
def alice() -> User:
    return make.user("alice")


@pytest.fixture
def headers(alice: User) -> Mapping[str, str]:
    return make.bearer(alice)


@pytest.fixture
def repo(alice: User) -> Repository:
    return make.repository(alice, "model", files={"a.txt": b"text", "b.txt": b"more"})


def put(actor: User, repo: Repository, *paths: str) -> str:
    git = selectors.git_of(repo)
    operations = [AddBlob(path=path, blob=git.write_blob(b"x"), size=1) for path in paths]
    request = NewCommit(operations=operations, title="m")
    return commit(
        actor=Principal(user=actor), repository=repo, revision="main", request=request, now=make.NOW
    ).oid


def normal(path: str, data: bytes = b"new") -> dict[str, Any]:
    content = base64.b64encode(data).decode()
    return {
        "action": "create",
        "path": path,
        "type": "normal",
        "size": len(data),
        "sha256": "",
        "content": content,
        "encoding": "base64",
    }


class TestListing:
    def files(self, client: Client, **query: Any) -> Any:
        return client.get(f"{API}/models/alice/model/repo/files", query)

    def test_is_flat_or_deep_as_the_python_words_say(
        self, client: Client, alice: User, repo: Repository
    ) -> None:
        put(alice, repo, "sub/deep/c.txt")
        flat = self.files(client, Revision="master", Recursive="False").json()["Data"]["Files"]
        deep = self.files(client, Revision="master", Recursive="True").json()["Data"]["Files"]
        assert {row["Path"] for row in deep} - {row["Path"] for row in flat} == {"sub/deep", "sub/deep/c.txt"}
        assert {row["Path"]: row["Type"] for row in deep}["sub/deep"] == "tree"
        [text] = [row for row in deep if row["Path"] == "a.txt"]
        assert (text["Size"], text["Sha256"]) == (4, hashlib.sha256(b"text").hexdigest())

    def test_reads_no_more_of_small_files_than_its_budget(
        self, client: Client, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A repository of a few MB can hold gigabytes of compressed text, and strangers ask for its list."""
        known = {
            name: hashlib.sha256(text).hexdigest() for name, text in (("a.txt", b"text"), ("b.txt", b"more"))
        }
        [attributes] = [row for row in self.rows(client) if row["Path"] == ".gitattributes"]
        cost = attributes["Size"] + render.HASHED_BYTES_A_FILE
        monkeypatch.setattr(render, "HASHED_BYTES_MAX", cost + render.HASHED_BYTES_A_FILE + len(b"text"))
        reading._blob_sha256.cache_clear()
        hashes = {row["Path"]: row["Sha256"] for row in self.rows(client)}
        assert (hashes["a.txt"], hashes["b.txt"]) == (known["a.txt"], "")
        assert reading._blob_sha256.cache_info().misses == 2
        whole = client.get(f"{API}/models/alice/model/repo", {"FilePath": "b.txt"})
        assert whole["X-Linked-ETag"] == f'"{known["b.txt"]}"'

    def test_ends_where_it_would_be_too_long(
        self, client: Client, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(content, "FILES_MAX", 2)
        assert [row["Path"] for row in self.rows(client)] == [".gitattributes", "a.txt"]

    def rows(self, client: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.files(client, Recursive="True").json()["Data"]["Files"]
        return found

    def test_begins_at_a_root(self, client: Client, alice: User, repo: Repository) -> None:
        put(alice, repo, "sub/deep/c.txt")
        rows = self.files(client, Root="sub", Recursive="True").json()["Data"]["Files"]
        assert [row["Path"] for row in rows] == ["sub/deep", "sub/deep/c.txt"]
        whole = self.files(client, Root="/", Recursive="False").json()["Data"]["Files"]
        assert "sub" in [row["Path"] for row in whole]

    @pytest.mark.parametrize("query", [{"Root": "nowhere"}, {"Root": "a.txt"}, {"Revision": "never-was"}])
    def test_of_what_is_not_there_is_404(
        self, client: Client, repo: Repository, query: Mapping[str, str]
    ) -> None:
        answer = self.files(client, **query)
        assert (answer.status_code, answer.json()["Success"]) == (404, False)

    def test_has_pages_of_exactly_the_size_asked_for(self, client: Client, alice: User) -> None:
        data = make.repository(alice, "data", kind=Kind.DATASET)
        put(alice, data, *(f"f{number:02}.txt" for number in range(8)))
        for address in ("alice/data", str(data.pk)):
            pages: list[list[str]] = []
            while not pages or len(pages[-1]) == 4:
                query = {"Recursive": "True", "PageNumber": len(pages) + 1, "PageSize": 4, "Root": "/"}
                answer = client.get(f"{API}/datasets/{address}/repo/tree", query)
                pages.append([row["Path"] for row in answer.json()["Data"]["Files"]])
            names = [name for page in pages for name in page]
            assert names == sorted(set(names))
            assert {f"f{number:02}.txt" for number in range(8)} < set(names)

    @pytest.mark.parametrize("query", [{"PageSize": "100000"}, {"PageNumber": "0"}, {"PageSize": "x"}])
    def test_refuses_a_page_it_would_not_fill(
        self, client: Client, alice: User, query: Mapping[str, str]
    ) -> None:
        make.repository(alice, "data", kind=Kind.DATASET)
        assert client.get(f"{API}/datasets/alice/data/repo/tree", query).status_code == 400

    def test_by_number_keeps_private_ones_hidden(
        self, client: Client, alice: User, headers: Mapping[str, str]
    ) -> None:
        data = make.repository(alice, "data", kind=Kind.DATASET, visibility="private")
        url = f"{API}/datasets/{data.pk}/repo/tree"
        assert client.get(url).status_code == 404
        assert client.get(url, headers=dict(headers)).status_code == 200


class TestDownload:
    def get(self, client: Client, **headers: str) -> Any:
        url = f"{API}/models/alice/model/repo"
        return client.get(url, {"Revision": "master", "FilePath": "a.txt"}, headers=headers)

    def test_names_the_hash_of_every_file(self, client: Client, repo: Repository) -> None:
        answer = self.get(client)
        assert answer["X-Linked-ETag"].strip('"') == hashlib.sha256(b"text").hexdigest()
        assert (answer.status_code, answer["Content-Length"]) == (200, "4")

    def test_serves_exact_ranges(self, client: Client, repo: Repository) -> None:
        middle = self.get(client, Range="bytes=1-2")
        assert (middle.status_code, middle["Content-Range"]) == (206, "bytes 1-2/4")
        assert b"".join(middle) == b"ex"
        beyond = self.get(client, Range="bytes=4-")
        assert (beyond.status_code, beyond["Content-Range"]) == (416, "bytes */4")


class TestCommit:
    def send(self, client: Client, headers: Mapping[str, str], *actions: Any, branch: str = "master") -> Any:
        return client.post(
            f"{API}/repos/models/alice/model/commit/{branch}",
            {"commit_message": "m", "actions": list(actions)},
            content_type="application/json",
            headers=dict(headers),
        )

    def test_sent_again_changes_nothing(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        actions = [normal("c.txt"), {"action": "delete", "path": "a.txt", "type": "normal", "size": 0}]
        first = self.send(client, headers, *actions).json()["Data"]["CommitId"]
        again = self.send(client, headers, *actions)
        assert (again.status_code, again.json()["Data"]["CommitId"]) == (200, first)
        assert ref_rows.main_of(repo) == first

    def test_is_made_whole_or_not_at_all(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        before = ref_rows.main_of(repo)
        missing = {"action": "create", "path": "w.bin", "type": "lfs", "size": 3, "sha256": "ab" * 32}
        answer = self.send(client, headers, normal("c.txt"), missing)
        assert (answer.status_code, answer.json()["Success"]) == (400, False)
        assert ref_rows.main_of(repo) == before

    def test_to_a_branch_that_is_not_there_is_404(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        assert self.send(client, headers, normal("c"), branch="feature/x").status_code == 404

    def test_with_too_many_actions_is_422(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        assert self.send(client, headers, *[normal("c")] * 2001).status_code == 422

    def test_by_others_is_403_and_by_nobody_401(self, client: Client, repo: Repository) -> None:
        assert self.send(client, make.bearer(make.user("bob")), normal("c")).status_code == 403
        assert self.send(client, {}, normal("c")).status_code == 401


class TestQuota:
    def test_is_named_by_the_word_that_the_client_knows(
        self, client: Client, alice: User, headers: Mapping[str, str], repo: Repository
    ) -> None:
        alice.namespace.storage_quota_bytes = 10
        alice.namespace.save()
        answer = client.post(
            f"{API}/repos/models/alice/model/info/lfs/objects/batch",
            {"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 1000}]},
            content_type="application/json",
            headers=dict(headers),
        )
        assert (answer.status_code, answer.json()["Code"]) == (403, "QuotaLimitExceed")


class TestCreate:
    def create(self, client: Client, headers: Mapping[str, str], **body: Any) -> Any:
        body = {"Path": "alice", "Name": "new", **body}
        return client.post(f"{API}/models", body, content_type="application/json", headers=dict(headers))

    @pytest.mark.parametrize(
        ("asked", "given"), [({}, 5), ({"Visibility": 5}, 5), ({"Visibility": 3}, 1), ({"Visibility": 1}, 1)]
    )
    def test_makes_public_what_is_public(
        self, client: Client, headers: Mapping[str, str], asked: Mapping[str, int], given: int
    ) -> None:
        assert self.create(client, headers, **asked).json()["Data"]["Visibility"] == given

    def test_puts_up_a_gate(self, client: Client, headers: Mapping[str, str]) -> None:
        made = self.create(client, headers, Visibility=1, ProtectedMode=1).json()["Data"]
        assert (made["Visibility"], made["ProtectedMode"]) == (1, 1)
        assert Repository.objects.get(pk=made["Id"]).gating == Gating.MANUAL

    def test_of_an_existing_one_changes_nothing(self, client: Client, headers: Mapping[str, str]) -> None:
        self.create(client, headers, Visibility=1)
        again = self.create(client, headers, Visibility=5, ProtectedMode=1)
        assert (again.status_code, again.json()["Code"]) == (400, 10010101001)
        found = Repository.objects.get(full_name="alice/new")
        assert (found.is_private, found.gating) == (True, Gating.OPEN)

    def test_for_others_is_403_and_by_nobody_401(self, client: Client, headers: Mapping[str, str]) -> None:
        make.user("bob")
        assert self.create(client, headers, Path="bob").status_code == 403
        assert self.create(client, {}).status_code == 401


class TestRevisions:
    def test_leave_out_tags_that_came_later(
        self, client: Client, alice: User, headers: Mapping[str, str], repo: Repository
    ) -> None:
        create_tag(actor=Principal(user=alice), repository=repo, name="v1", revision="main", now=make.NOW)

        def tags(**query: Any) -> list[str]:
            answer = client.get(f"{API}/models/alice/model/revisions", query).json()["Data"]["RevisionMap"]
            assert [row["Revision"] for row in answer["Branches"]] == ["master"]
            return [row["Revision"] for row in answer["Tags"]]

        now = int(make.NOW.timestamp())
        assert tags() == tags(EndTime=now) == ["v1"]
        assert tags(EndTime=now - int(timedelta(days=1).total_seconds())) == []
        assert client.get(f"{API}/models/alice/model/revisions", {"EndTime": "soon"}).status_code == 400

    def test_refuse_a_tag_twice(self, client: Client, headers: Mapping[str, str], repo: Repository) -> None:
        def tag() -> Any:
            return client.post(
                f"{API}/models/alice/model/repo/tag",
                {"TagName": "v1", "Ref": "master"},
                content_type="application/json",
                headers=dict(headers),
            )

        assert tag().status_code == 200
        again = tag()
        assert again.status_code == 400
        assert "already exists" in again.json()["Message"]


class TestList:
    def test_shows_private_ones_to_their_owner_and_counts_exactly(
        self, client: Client, alice: User, headers: Mapping[str, str]
    ) -> None:
        for number in range(3):
            make.repository(alice, f"open{number}")
        make.repository(alice, "closed", visibility="private")
        query = {"owner": "alice", "page_number": 2, "page_size": 2}
        url = "/modelscope/openapi/v1/models"
        others = client.get(url, query).json()["data"]
        own = client.get(url, query, headers=dict(headers)).json()["data"]
        assert (others["total_count"], len(others["models"])) == (3, 1)
        assert (own["total_count"], len(own["models"])) == (4, 2)
        assert (own["page_number"], own["page_size"]) == (2, 2)


class TestLastCommits:
    def test_each_file_of_a_list_names_its_own(self, client: Client, alice: User, repo: Repository) -> None:
        put(alice, repo, "later.txt")
        listed = client.get(f"{API}/models/{repo.full_name}/repo/files?Recursive=true").json()["Data"][
            "Files"
        ]
        messages = {file["Path"]: file["CommitMessage"] for file in listed}
        assert messages["later.txt"] == "m"
        assert messages["a.txt"] == messages["b.txt"] != "m"
