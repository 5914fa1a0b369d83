"""Inputs of the Hugging Face clients' own tests: what they send, and the words and codes they look for."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.api.hf.urls import urlpatterns
from hub.repos import gating
from hub.repos.models import AccessRequest, Kind, Repository
from hub.revisions import selectors
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db
SAMPLES = {
    "plural:kind": "models",
    "repo_id:repo_id": "gpt-x",
    "row_id:number": "1",
    "segment:status": "pending",
}


def bare_addresses() -> Iterator[tuple[str, str]]:
    """(method, address) of every API route that takes a repository's id, with an id that has no namespace."""
    for pattern in urlpatterns:
        text = str(pattern.pattern)
        if isinstance(pattern, URLPattern) and text.startswith("api/") and "<repo_id:repo_id>" in text:
            address = re.sub(r"<([^>]+)>", lambda match: SAMPLES.get(match[1], "main"), text)
            for method in ("get", "head", "post", "put", "patch", "delete"):
                yield method, f"/{address}"


@pytest.fixture
def alice() -> User:
    return make.user("alice")


@pytest.fixture
def headers(alice: User) -> Mapping[str, str]:
    return make.bearer(alice)


@pytest.fixture
def repo(alice: User) -> Repository:
    return make.repository(alice, "model", files={"a.txt": b"0123456789"})


def send(client: Client, headers: Mapping[str, str], method: str, path: str, body: Any = None) -> Any:
    data = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    return getattr(client, method)(path, data, content_type="application/json", headers=dict(headers))


def commit(client: Client, headers: Mapping[str, str], *operations: tuple[str, dict[str, Any]]) -> Any:
    lines = [("header", {"summary": "s"}), *operations]
    text = "\n".join(json.dumps({"key": key, "value": value}) for key, value in lines)
    return send(client, headers, "post", "/api/models/alice/model/commit/main", text)


def file(path: str) -> tuple[str, dict[str, Any]]:
    return ("file", {"path": path, "content": "aGk=", "encoding": "base64"})


def paths(repo: Repository) -> list[str]:
    git = selectors.git_of(repo)
    return sorted(
        entry.path for entry in git.entries(ref_rows.main_of(repo), recursive=True) if entry.is_file
    )


class TestIdsWithoutANamespace:
    def test_are_missing_repositories_on_every_route(
        self, client: Client, headers: Mapping[str, str]
    ) -> None:
        wrong = []
        addresses = list(bare_addresses())
        for method, address in addresses:
            answer = send(client, headers, method, address, None if method in {"get", "head"} else {})
            if (answer.status_code, answer.get("X-Error-Code")) != (404, "RepoNotFound"):
                wrong.append((method, address, answer.status_code))
        assert not wrong
        assert len(addresses) > 150

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", "/gpt-x/resolve/main/config.json"),
            ("get", "/datasets/gpt-x/resolve/main/config.json"),
            ("get", "/gpt-x/raw/main/config.json"),
            ("post", "/gpt-x.git/info/lfs/objects/batch"),
        ],
    )
    def test_are_missing_for_files_and_lfs(
        self, client: Client, headers: Mapping[str, str], method: str, path: str
    ) -> None:
        answer = send(client, headers, method, path)
        assert (answer.status_code, answer["X-Error-Code"]) == (404, "RepoNotFound")

    def test_do_not_hide_a_repository_whose_name_is_a_word_of_a_route(
        self, client: Client, headers: Mapping[str, str], alice: User
    ) -> None:
        make.repository(alice, "runtime")
        assert client.get("/api/models/alice/runtime/revision/main").status_code == 200
        other = send(client, headers, "delete", "/api/models/alice/runtime")
        assert (other.status_code, other["Allow"]) == (405, "GET, HEAD")


class TestMessages:
    """Clients show these as they are, and some compare them."""

    def test_of_a_missing_repository(self, client: Client, headers: Mapping[str, str]) -> None:
        answer = client.get("/api/models/alice/absent", headers=dict(headers))
        assert answer.json() == {"error": "Repository not found"}
        assert answer["X-Error-Message"] == "Repository not found"

    def test_of_a_gate(self, client: Client, alice: User) -> None:
        data = make.repository(alice, "data", kind=Kind.DATASET, gating="manual", files={"a": b"1"})
        bob = make.user("bob")
        path, credentials = "/datasets/alice/data/resolve/main/a", make.bearer(bob)
        anonymous = client.get(path)
        assert anonymous.status_code == 401
        assert anonymous["X-Error-Message"] == (
            "Access to dataset alice/data is restricted. "
            "You must have access to it and be authenticated to access it. Please log in."
        )
        answer = client.get(path, headers=credentials)
        assert (answer.status_code, answer["X-Error-Code"]) == (403, "GatedRepo")
        assert answer["X-Error-Message"] == (
            "Access to dataset alice/data is restricted and you are not in the authorized list. "
            "Visit http://testserver/datasets/alice/data to ask for access."
        )
        gating.ask_access(actor=Principal(user=bob), repository=data, fields={}, now=make.NOW)
        assert client.get(path, headers=credentials)["X-Error-Message"] == (
            "Your request to access dataset alice/data is awaiting a review from the repo authors."
        )
        AccessRequest.objects.update(status=AccessRequest.Status.REJECTED)
        assert client.get(path, headers=credentials)["X-Error-Message"] == (
            "Your request to access dataset alice/data has been rejected by the repo's authors."
        )

    @pytest.mark.parametrize("kind", ["model", "dataset", "space"])
    def test_of_a_move_onto_another_repository(
        self, client: Client, headers: Mapping[str, str], alice: User, kind: str
    ) -> None:
        make.repository(alice, "one", kind=kind)
        make.repository(alice, "two", kind=kind)
        body = {"fromRepo": "alice/one", "toRepo": "alice/two", "type": kind}
        answer = send(client, headers, "post", "/api/repos/move", body)
        assert answer.status_code == 409
        assert answer.json()["error"] == f"A {kind} repository called alice/two already exists"


class TestCommits:
    def test_delete_a_folder_that_is_named_like_a_file(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        assert (
            commit(client, headers, file("folder/b"), file("folder/deep/c"), file("folder2/d")).status_code
            == 200
        )
        assert commit(client, headers, ("deletedFile", {"path": "folder"})).status_code == 200
        assert paths(repo) == [".gitattributes", "a.txt", "folder2/d"]
        again = commit(client, headers, ("deletedFile", {"path": "folder"}))
        assert (again.status_code, again["X-Error-Code"]) == (404, "EntryNotFound")

    def test_delete_a_folder_and_fill_it_anew(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        commit(client, headers, file("folder/b"))
        assert (
            commit(client, headers, ("deletedFile", {"path": "folder"}), file("folder/c")).status_code == 200
        )
        assert paths(repo) == [".gitattributes", "a.txt", "folder/c"]

    @pytest.mark.parametrize("spelling", ["sha256", "sha_256", "SHA-256", None])
    def test_take_the_algorithm_in_any_spelling(
        self, client: Client, headers: Mapping[str, str], repo: Repository, spelling: str | None
    ) -> None:
        entry = {"path": "w.bin", "algo": spelling, "oid": "ab" * 32, "size": 1}
        # The spelling passes; the object itself was never sent.
        assert "Upload the object first" in commit(client, headers, ("lfsFile", entry)).json()["error"]

    def test_keep_backslashes_in_names(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        name = "folder/..\\..\\file.txt"
        assert commit(client, headers, file(name)).status_code == 200
        assert name in paths(repo)
        answer = client.get("/alice/model/resolve/main/folder/..%5C..%5Cfile.txt")
        assert answer.content == b"hi"
        assert answer["Content-Disposition"] == (
            "inline; filename*=UTF-8''..%5C..%5Cfile.txt; filename=\".._.._file.txt\";"
        )
        listed = client.get("/api/models/alice/model/tree/main/folder").json()
        assert [entry["path"] for entry in listed] == [name]
        page = client.get("/alice/model/tree/main/folder").content.decode()
        assert 'href="/alice/model/blob/main/folder/..%5C..%5Cfile.txt"' in page
        assert client.get("/alice/model/blob/main/folder/..%5C..%5Cfile.txt").status_code == 200


class TestCreate:
    def test_takes_files_and_a_license(self, client: Client, headers: Mapping[str, str]) -> None:
        attributes = "*.html filter=lfs diff=lfs merge=lfs -text"
        files = [
            {"path": ".gitattributes", "content": b64encode(attributes.encode()).decode()},
            {"path": "folder/a.txt", "content": "aGk="},
        ]
        body = {"name": "new", "license": "mit", "files": files}
        assert send(client, headers, "post", "/api/repos/create", body).status_code == 200
        made = Repository.objects.get()
        assert paths(made) == [".gitattributes", "README.md", "folder/a.txt"]
        assert client.get("/alice/new/resolve/main/.gitattributes").content.decode() == attributes
        assert "license:mit" in client.get("/api/models/alice/new").json()["tags"]

    @pytest.mark.parametrize(
        ("files", "status"),
        [
            ("x", 400),
            ([1], 400),
            ([{"path": "a"}], 400),
            ([{"path": "a", "content": "***"}], 400),
            ([{"path": "../a", "content": "aGk="}], 422),
            ([{"path": "model.safetensors", "content": "aGk="}], 400),
            ([{"path": "a", "content": "aGk="}, {"path": "a/b", "content": "aGk="}], 400),
            ([{"path": f"f{number}", "content": ""} for number in range(101)], 400),
        ],
    )
    def test_refuses_files_that_make_no_commit(
        self, client: Client, headers: Mapping[str, str], files: Any, status: int
    ) -> None:
        answer = send(client, headers, "post", "/api/repos/create", {"name": "new", "files": files})
        assert answer.status_code == status
        assert not Repository.objects.exists()


class TestTags:
    @pytest.mark.parametrize("tag", ["v1", "bad name", "a..b"])
    def test_on_a_missing_revision_say_so_whatever_their_name(
        self, client: Client, headers: Mapping[str, str], repo: Repository, tag: str
    ) -> None:
        answer = send(client, headers, "post", "/api/models/alice/model/tag/absent", {"tag": tag})
        assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")

    def test_with_a_bad_name_on_a_revision_are_refused(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        answer = send(client, headers, "post", "/api/models/alice/model/tag/main", {"tag": "bad name"})
        assert answer.status_code == 400


class TestCards:
    def test_with_one_string_for_a_list_are_valid_and_found(
        self, client: Client, headers: Mapping[str, str], alice: User
    ) -> None:
        card = "---\nmetrics: accuracy\ntags: chat\nlanguage: en\ndatasets: acme/data\n---\n"
        body = {"repoType": "model", "content": card}
        assert send(client, headers, "post", "/api/validate-yaml", body).status_code == 200
        make.repository(alice, "carded", files={"README.md": card.encode()})
        tags = client.get("/api/models/alice/carded").json()["tags"]
        assert {"chat", "en", "dataset:acme/data"} <= set(tags)

    def test_of_a_space_list_what_it_uses(self, client: Client, alice: User) -> None:
        card = b"---\nsdk: gradio\nmodels: acme/m\ndatasets: [acme/d]\n---\n"
        make.repository(alice, "app", kind=Kind.SPACE, files={"README.md": card})
        [brief] = client.get("/api/spaces?author=alice").json()
        assert "models" not in brief
        [row] = client.get("/api/spaces?author=alice&linked=true").json()
        assert (row["models"], row["datasets"]) == (["acme/m"], ["acme/d"])
        row = client.get("/api/spaces/alice/app?expand=models&expand=datasets").json()
        assert (row["models"], row["datasets"]) == (["acme/m"], ["acme/d"])
