"""Bad input at the Hugging Face door is refused, with the right status and message."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from hub.accounts import services as accounts
from hub.accounts.models import Role, User
from hub.accounts.principals import Principal
from hub.repos.models import Repository
from tests.clock import moment
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make.user("alice")


@pytest.fixture
def headers(alice: User) -> Mapping[str, str]:
    return make.bearer(alice)


@pytest.fixture
def repo(alice: User) -> Repository:
    return make.repository(alice, "model", files={"a.txt": b"0123456789", "run.html": b"<script>1</script>"})


def ndjson(*lines: tuple[str, Any]) -> bytes:
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in lines)


HEADER = ("header", {"summary": "s"})


def commit(client: Client, headers: Mapping[str, str], data: bytes, *, repo_id: str = "alice/model") -> Any:
    return client.post(
        f"/api/models/{repo_id}/commit/main", data, content_type="application/x-ndjson", headers=dict(headers)
    )


def file(path: str, content: str = "aGk=") -> tuple[str, Any]:
    return ("file", {"path": path, "content": content, "encoding": "base64"})


class TestCommit:
    @pytest.mark.parametrize(
        "path",
        [
            "../x",
            "/etc/passwd",
            "a/../../b",
            ".git/config",
            "a/.GIT/x",
            "a\\.git\\config",
            "..\\x",
            "a\u0000b",
            "x" * 300,
            "a//b",
            "",
        ],
    )
    def test_refuses_a_path_that_climbs_or_hides_with_422(
        self, client: Client, headers: Mapping[str, str], repo: Repository, path: str
    ) -> None:
        answer = commit(client, headers, ndjson(HEADER, file("fine"), file(path)))
        assert answer.status_code == 422
        assert "path" in answer.json()["error"]
        assert ref_rows.main_of(repo) == repo.head_sha

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"not json",
            b"[]",
            ndjson(file("a")),
            ndjson(HEADER, ("explode", {})),
            ndjson(HEADER, file("a", "***")),
            ndjson(HEADER, ("file", {"path": "a", "content": "aGk=", "encoding": "utf-8"})),
            ndjson(HEADER, ("file", {"content": "aGk="})),
            ndjson(HEADER, ("lfsFile", {"path": "a", "oid": "nope", "size": 1})),
            ndjson(HEADER, ("lfsFile", {"path": "a", "oid": "ab" * 32, "size": -1})),
            ndjson(HEADER, ("lfsFile", {"path": "a", "oid": "ab" * 32, "algo": "md5"})),
            ndjson(HEADER, ("lfsFile", {"path": "a", "oid": "ab" * 32, "size": 1})),
            ndjson(("header", {"summary": "s", "parentCommit": "xyz"}), file("a")),
            ndjson(HEADER, file("a"))[:-20],
            ndjson(HEADER, file("a"), file("a/b")),
        ],
    )
    def test_refuses_what_is_no_commit_and_changes_nothing(
        self, client: Client, headers: Mapping[str, str], repo: Repository, data: bytes
    ) -> None:
        answer = commit(client, headers, data)
        assert answer.status_code in {400, 422}
        assert isinstance(answer.json()["error"], str)
        assert ref_rows.main_of(repo) == repo.head_sha

    def test_refuses_a_parent_that_has_moved_with_412(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        parent = repo.head_sha
        assert commit(client, headers, ndjson(HEADER, file("a"))).status_code == 200
        late = commit(
            client, headers, ndjson(("header", {"summary": "s", "parentCommit": parent}), file("b"))
        )
        assert late.status_code == 412
        assert "The branch was updated since you opened this page" in late.json()["error"]

    def test_tells_a_missing_file_and_a_missing_branch_apart(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        gone = commit(client, headers, ndjson(HEADER, ("deletedFile", {"path": "nope"})))
        assert (gone.status_code, gone["X-Error-Code"]) == (404, "EntryNotFound")
        assert "A file with this name doesn't exist" in gone.json()["error"]
        branch = client.post(
            "/api/models/alice/model/commit/nope",
            b"",
            content_type="application/x-ndjson",
            headers=dict(headers),
        )
        assert (branch.status_code, branch["X-Error-Code"]) == (404, "RevisionNotFound")


class TestStrangers:
    """A private repository is not there: the same answer through each call as for one that is not."""

    CALLS = (
        ("get", "/api/models/{}"),
        ("get", "/api/models/{}/revision/main"),
        ("get", "/api/models/{}/tree/main"),
        ("get", "/api/models/{}/refs"),
        ("get", "/api/models/{}/commits/main"),
        ("get", "/api/models/{}/auth-check"),
        ("get", "/{}/resolve/main/a.txt"),
        ("head", "/{}/resolve/main/a.txt"),
        ("get", "/{}/raw/main/a.txt"),
        ("get", "/api/models/{}/lfs-files"),
        ("get", "/api/models/{}/compare/main..main"),
        ("post", "/api/models/{}/paths-info/main"),
        ("post", "/api/models/{}/preupload/main"),
        ("post", "/api/models/{}/commit/main"),
        ("post", "/api/models/{}/branch/x"),
        ("post", "/api/models/{}/tag/main"),
        ("post", "/api/models/{}/super-squash/main"),
        ("post", "/api/models/{}/duplicate"),
        ("put", "/api/models/{}/settings"),
        ("delete", "/api/models/{}/branch/x"),
        ("get", "/api/models/{}/xet-read-token/main"),
        ("get", "/api/models/{}/xet-write-token/main"),
    )

    @pytest.mark.parametrize(("method", "path"), CALLS)
    @pytest.mark.parametrize("signed_in", [False, True])
    def test_get_the_answer_for_a_missing_one(
        self, client: Client, alice: User, method: str, path: str, signed_in: bool
    ) -> None:
        make.repository(alice, "hidden", visibility="private")
        credentials = make.bearer(make.user("bob")) if signed_in else {}
        body = {} if method in {"get", "head"} else {"data": "{}", "content_type": "application/json"}
        answers = [
            getattr(client, method)(path.format(repo_id), headers=credentials, **body)
            for repo_id in ("alice/hidden", "alice/absent")
        ]
        seen = [
            (answer.status_code, answer.get("X-Error-Code"), answer.content.replace(b"absent", b"hidden"))
            for answer in answers
        ]
        assert seen[0] == seen[1]
        assert seen[0][0] in {401, 404}


class TestTokens:
    def test_that_expired_or_were_never_made_get_the_message_on_every_route(
        self, client: Client, alice: User, repo: Repository
    ) -> None:
        _, expired = accounts.create_token(
            actor=Principal(user=alice),
            name="old",
            scopes=["read"],
            expires_at=moment() - timedelta(seconds=1),
        )
        for secret in (expired, "hf_never"):
            for path in (
                "/api/models/alice/model",
                "/alice/model/resolve/main/a.txt",
                "/api/nowhere",
                "/api/whoami-v2",
            ):
                answer = client.get(path, headers={"Authorization": f"Bearer {secret}"})
                assert answer.status_code == 401
                assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"

    @pytest.mark.parametrize("header", ["Bearer", "Basic !!!", "Basic Og==", "Digest x", "Bearer  "])
    def test_that_are_malformed_are_refused(self, client: Client, repo: Repository, header: str) -> None:
        assert client.get("/api/models/alice/model", headers={"Authorization": header}).status_code == 401

    def test_of_one_repository_reach_no_other(self, client: Client, alice: User, repo: Repository) -> None:
        other = make.repository(alice, "other", visibility="private")
        grant = accounts.Grant(namespace_id=repo.namespace_id, repository_id=repo.pk, can_write=True)
        _, secret = accounts.create_token(
            actor=Principal(user=alice), name="fine", scopes=["write"], grants=[grant]
        )
        fine = {"Authorization": f"Bearer {secret}"}
        assert commit(client, fine, ndjson(HEADER, file("b"))).status_code == 200
        assert client.get(f"/api/models/{other.full_name}", headers=fine).status_code == 404
        created = client.post(
            "/api/repos/create", '{"name": "new"}', content_type="application/json", headers=fine
        )
        assert created.status_code == 403


class TestResolve:
    @pytest.mark.parametrize(
        ("header", "status", "body"),
        [
            ("bytes=0-3", 206, b"0123"),
            ("bytes=-3", 206, b"789"),
            ("bytes=8-", 206, b"89"),
            ("bytes=10-", 416, b""),
            ("nonsense", 200, b"0123456789"),
            ("bytes=5-2", 200, b"0123456789"),
        ],
    )
    def test_takes_ranges_and_bears_nonsense(
        self, client: Client, repo: Repository, header: str, status: int, body: bytes
    ) -> None:
        answer = client.get("/alice/model/resolve/main/a.txt", headers={"Range": header})
        assert (answer.status_code, answer.content) == (status, body)
        if status != 200:
            assert answer["Content-Range"].endswith("/10")
        assert answer["X-Repo-Commit"] == repo.head_sha

    def test_names_the_commit_even_when_the_file_is_missing(self, client: Client, repo: Repository) -> None:
        answer = client.head("/alice/model/resolve/main/nope")
        assert (answer.status_code, answer["X-Error-Code"]) == (404, "EntryNotFound")
        assert answer["X-Repo-Commit"] == repo.head_sha

    def test_never_lets_a_browser_run_what_a_repository_holds(self, client: Client, repo: Repository) -> None:
        answer = client.get("/alice/model/resolve/main/run.html")
        assert answer["Content-Type"].startswith("text/plain")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]

    def test_of_a_disabled_repository_says_so_in_the_clients_words(
        self, client: Client, repo: Repository
    ) -> None:
        make.set_disabled(repo, is_disabled=True)
        answer = client.get("/alice/model/resolve/main/a.txt")
        assert (answer.status_code, answer["X-Error-Message"]) == (
            403,
            "Access to this resource is disabled.",
        )

    @pytest.mark.parametrize("path", ["..%2F..%2Fetc", "%2e%2e/x", "a%00b", "a.txt/b", "."])
    def test_finds_nothing_outside_the_tree(self, client: Client, repo: Repository, path: str) -> None:
        assert client.get(f"/alice/model/resolve/main/{path}").status_code == 404


class TestLifeCycle:
    def test_create_twice_answers_409_with_the_address(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        answer = client.post(
            "/api/repos/create", '{"name": "MODEL"}', content_type="application/json", headers=dict(headers)
        )
        assert answer.status_code == 409
        assert answer.json()["url"] == "http://testserver/alice/model"

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[]",
            "{",
            '{"name": 1}',
            '{"name": "a b"}',
            '{"name": "-x"}',
            '{"name": "x.git"}',
            '{"name": "a--b"}',
            '{"name": "tree"}',
            '{"name": "x", "type": "planet"}',
            '{"name": "x", "private": "yes"}',
            '{"name": "a/b/c"}',
            '{"name": "x", "visibility": "secret"}',
        ],
    )
    def test_create_refuses_what_makes_no_name(
        self, client: Client, headers: Mapping[str, str], body: str
    ) -> None:
        answer = client.post(
            "/api/repos/create", body, content_type="application/json", headers=dict(headers)
        )
        assert answer.status_code == 400, answer.content
        assert Repository.objects.count() == 0

    def test_create_in_a_foreign_namespace_is_denied(
        self, client: Client, headers: Mapping[str, str]
    ) -> None:
        make.organization("lab", {make.user(): Role.ADMIN})
        body = '{"name": "x", "organization": "lab"}'
        answer = client.post(
            "/api/repos/create", body, content_type="application/json", headers=dict(headers)
        )
        assert answer.status_code == 403

    def test_old_ids_redirect_with_307_and_keep_the_query(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        body = '{"fromRepo": "alice/model", "toRepo": "alice/renamed", "type": "model"}'
        moved = client.post("/api/repos/move", body, content_type="application/json", headers=dict(headers))
        assert moved.status_code == 200
        for path, target in (
            ("/api/models/alice/model?blobs=true", "/api/models/alice/renamed?blobs=true"),
            ("/alice/model/resolve/main/a.txt", "/alice/renamed/resolve/main/a.txt"),
            (
                "/api/models/alice/model/tree/refs%2Fheads%2Fmain",
                "/api/models/alice/renamed/tree/refs%2Fheads%2Fmain",
            ),
        ):
            answer = client.get(path, RAW_URI=path)
            assert (answer.status_code, answer["Location"]) == (307, target)


class TestUnknownRoutes:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/api/agent-harnesses", 404),
            ("/api/nowhere", 404),
            ("/api/models/alice/model/nowhere", 404),
            ("/api/models/gpt2", 404),
            ("/gpt2/resolve/main/config.json", 404),
            ("/api/buckets/alice/b", 404),
            ("/api/jobs/alice/1", 404),
            ("/api/spaces/alice/s/hardware", 501),
            ("/api/spaces/alice/s/secrets", 501),
            ("/api/spaces/alice/s/runtime", 404),
            ("/uploads", 501),
        ],
    )
    def test_answer_json_and_never_200(
        self, client: Client, repo: Repository, path: str, status: int
    ) -> None:
        answer = client.get(path)
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)

    def test_say_that_nothing_is_offered_for_spaces(self, client: Client) -> None:
        assert client.get("/api/spaces/hardware").json() == []
        assert client.get("/api/spaces/templates").json() == {"templates": []}


class TestPathsInfo:
    def test_takes_a_thousand_paths_and_no_more(self, client: Client, repo: Repository) -> None:
        asked = {"paths": [f"no{number}" for number in range(999)] + ["a.txt"], "expand": "false"}
        answer = client.post("/api/models/alice/model/paths-info/main", asked)
        assert [item["path"] for item in answer.json()] == ["a.txt"]
        asked["paths"] = ["a.txt"] * 1001
        assert client.post("/api/models/alice/model/paths-info/main", asked).status_code == 400


class TestPreupload:
    def test_answers_for_each_file_how_it_shall_come(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        text, binary = (base64.b64encode(data).decode() for data in (b"hello", b"\0\1\2"))
        files = [
            {"path": "a.txt", "sample": text, "size": 5},
            {"path": "w.safetensors", "sample": text, "size": 5},
            {"path": "blob", "sample": binary, "size": 3},
            {"path": "large.txt", "sample": text, "size": 1 << 30},
            {"path": "empty.bin", "sample": "", "size": 0},
            {"path": "x.log", "sample": text, "size": 5},
        ]
        answer = client.post(
            "/api/models/alice/model/preupload/main",
            json.dumps({"files": files, "gitIgnore": "*.log"}),
            content_type="application/json",
            headers=dict(headers),
        ).json()
        assert [(item["path"], item["uploadMode"], item["shouldIgnore"]) for item in answer["files"]] == [
            ("a.txt", "regular", False),
            ("w.safetensors", "lfs", False),
            ("blob", "lfs", False),
            ("large.txt", "lfs", False),
            ("empty.bin", "regular", False),
            ("x.log", "regular", True),
        ]
        assert len(answer["files"][0]["oid"]) == 40
        assert answer["files"][1]["oid"] is None

    def test_matches_hostile_patterns_at_once_and_refuses_too_many(
        self, client: Client, headers: Mapping[str, str], repo: Repository
    ) -> None:
        def ask(files: list[str], **patterns: str) -> Any:
            body = {"files": [{"path": path, "size": 1} for path in files], **patterns}
            return client.post(
                "/api/models/alice/model/preupload/main",
                json.dumps(body),
                content_type="application/json",
                headers=dict(headers),
            )

        hostile = {"gitIgnore": "**/" * 8 + "x", "gitAttributes": "*a*a*a*a*b filter=lfs"}
        assert ask(["a/" * 30 + "a", "a" * 200], **hostile).status_code == 200
        many = ask([f"{n}/" + "a" * 200 for n in range(1000)], gitIgnore="**/*a*a*b/c\n" * 20_000)
        assert many.status_code == 400
        assert "too many or too long" in many.json()["error"]

    @pytest.mark.parametrize(
        "body",
        [
            '{"files": 1}',
            '{"files": ["a"]}',
            '{"files": [{"path": "a"}]}',
            '{"files": [{"path": "a", "size": 1, "sample": "*"}]}',
            '{"files": [{"path": "a", "size": -1}]}',
        ],
    )
    def test_refuses_what_names_no_files(
        self, client: Client, headers: Mapping[str, str], repo: Repository, body: str
    ) -> None:
        answer = client.post(
            "/api/models/alice/model/preupload/main",
            body,
            content_type="application/json",
            headers=dict(headers),
        )
        assert answer.status_code == 400
