"""Behaviour that OpenCSG's client relies on and its command line does not show."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bazaar.instances import model_of
from compute_market.leases.models import Lease, Work
from compute_market.offers.models import Product
from foundation.clock import database_now
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories import market, ref_rows

pytestmark = pytest.mark.django_db

PLURALS = ("models", "datasets", "spaces", "codes", "mcps", "skills")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def holder_of(lease: Lease) -> User:
    assert lease.holder.namespace is not None
    return User.objects.get(namespace=lease.holder.namespace)


@pytest.fixture
def headers() -> Mapping[str, str]:
    return make.bearer(make.user("alice"))


class Door:
    """Alice's calls."""

    def __init__(self, client: Client, headers: Mapping[str, str]) -> None:
        self.client, self.headers = client, dict(headers)

    def get(self, path: str, **query: Any) -> Any:
        # The path as it is on the wire, which the test client would decode.
        raw = f"{path}?{urlencode(query)}"
        return self.client.get(path, query, headers=self.headers, RAW_URI=raw)

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(
            path, body, content_type="application/json", headers=self.headers, RAW_URI=path
        )

    def create(self, plural: str = "models", name: str = "new") -> Repository:
        body = {"namespace": "alice", "name": name, "default_branch": "main", "private": True}
        data = self.post(f"/api/v1/{plural}", body).json()["data"]
        return Repository.objects.get(pk=data["id"])


@pytest.fixture
def door(client: Client, headers: Mapping[str, str]) -> Door:
    return Door(client, headers)


def action(path: str, data: bytes, verb: str = "create") -> dict[str, str]:
    return {"path": path, "action": verb, "content": base64.encodebytes(data).decode()}


class TestEveryKind:
    @pytest.mark.parametrize("plural", PLURALS)
    @pytest.mark.parametrize("mount", ["csg", "hf", "ms"])
    def test_is_described_in_the_fields_that_the_client_parses(
        self, door: Door, plural: str, mount: str
    ) -> None:
        found = door.create(plural)
        assert found.is_private
        answer = door.get(f"/{mount}/api/{plural}/alice/new/revision/main", blobs="true").json()
        assert answer["id"] == "alice/new"
        assert re.fullmatch("[0-9a-f]{40}", answer["sha"])
        assert {".gitattributes", "README.md"} <= {row["rfilename"] for row in answer["siblings"]}
        assert all({"size", "blobId"} <= row.keys() for row in answer["siblings"])
        for name in ("createdAt", "lastModified", "created_at", "last_modified"):
            assert name not in answer or DATE.fullmatch(answer[name])
        assert not {"transformersInfo", "inferenceProviderMapping", "safetensors"} & answer.keys()
        assert {"stage", "hardware"} <= answer.get("runtime", {"stage": "", "hardware": {}}).keys()
        by_commit = door.get(f"/{mount}/api/{plural}/alice/new/revision/{answer['sha']}")
        assert by_commit.json()["sha"] == answer["sha"]
        assert door.get(f"/{mount}/api/{plural}/alice/new/revision/none").status_code == 404

    @pytest.mark.parametrize(
        ("plural", "git"), [*((plural, plural) for plural in PLURALS), ("mcps", "mcpservers")]
    )
    def test_is_reached_by_git_under_its_own_name(
        self, client: Client, headers: Mapping[str, str], door: Door, plural: str, git: str
    ) -> None:
        door.create(plural)
        token = headers["Authorization"].partition(" ")[2]
        basic = base64.b64encode(f"anybody:{token}".encode()).decode()
        url = f"/{git}/alice/new.git/info/refs?service=git-upload-pack"
        assert client.get(url, headers={"Authorization": f"Basic {basic}"}).status_code == 200
        refused = client.get(url)
        assert refused.status_code == 401
        assert refused["WWW-Authenticate"].startswith("Basic")

    @pytest.mark.parametrize("plural", PLURALS)
    def test_is_deleted(self, client: Client, door: Door, plural: str) -> None:
        door.create(plural)
        answer = client.delete(f"/api/v1/{plural}/alice/new", headers=door.headers)
        assert (answer.status_code, answer.json()["msg"]) == (200, "OK")
        assert door.get(f"/api/v1/{plural}/alice/new/branches").status_code == 404


class TestBranch:
    def test_with_a_slash_is_made_written_and_read(self, client: Client, door: Door) -> None:
        door.create()
        body = {
            "message": "m",
            "new_branch": "feature/x",
            "content": base64.b64encode(b"*.x -text\n").decode(),
        }
        for _ in range(2):  # an interrupted run makes it again
            assert door.post("/api/v1/models/alice/new/raw/.gitattributes", body).status_code == 200
        names = [row["name"] for row in door.get("/api/v1/models/alice/new/branches").json()["data"]]
        assert sorted(names) == ["feature/x", "main"]
        for revision in ("feature%2Fx", "feature/x"):
            asked = door.post(
                f"/api/v1/models/alice/new/preupload/{revision}", {"files": [{"path": "a", "size": 1}]}
            )
            assert asked.status_code == 200
            files = {"message": "m", "files": [action("a.txt", revision.encode())]}
            sent = door.post(f"/api/v1/models/alice/new/commit/{revision}", files)
            assert (sent.status_code, sent.json()["msg"]) == (200, "OK")
            answer = door.get("/csg/alice/new/resolve/feature%2Fx/a.txt")
            assert b"".join(answer) == revision.encode()
            assert answer["Accept-Ranges"] == "bytes"
        assert door.get("/csg/api/models/alice/new/revision/feature%2Fx").status_code == 200


class TestLargeFolder:
    def test_answers_all_five_keys_and_what_is_there(self, door: Door) -> None:
        door.create()
        door.post(
            "/api/v1/models/alice/new/commit/main", {"message": "m", "files": [action("d/a.txt", b"text")]}
        )
        asked = [{"path": "d/a.txt", "size": 4}, {"path": "new.bin", "size": 5}, {"path": "d", "size": 0}]
        answer = door.post("/api/v1/models/alice/new/preupload/main", {"files": asked}).json()
        known, new, folder = answer["data"]["files"]
        blob = hashlib.sha1(b"blob 4\0text", usedforsecurity=False).hexdigest()
        assert known == {
            "path": "d/a.txt",
            "uploadMode": "regular",
            "shouldIgnore": False,
            "isDir": False,
            "oid": blob,
        }
        assert (new["uploadMode"], new["oid"]) == ("lfs", "")
        assert folder["isDir"] is True

    def test_gives_the_same_upload_to_a_run_that_was_interrupted(self, door: Door) -> None:
        door.create()
        url = "/models/alice/new.git/info/lfs/objects/batch"
        body = {
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": [{"oid": "ab" * 32, "size": 10}],
            "hash_algo": "sha256",
            "upload_id": None,
        }

        def upload_id(query: str, **changes: Any) -> str:
            answer = door.post(url + query, body | changes).json()
            upload = answer["objects"][0]["actions"]["upload"]
            assert set(upload["header"]) == {"chunk_size", "1"}
            [found] = parse_qs(urlsplit(upload["header"]["1"]).query)["uploadId"]
            return str(found)

        first = upload_id("")
        assert upload_id(f"?upload_id={first}", upload_id=first) == first

    def test_sent_again_makes_no_second_commit(self, door: Door) -> None:
        found = door.create()
        body = {"message": "m", "files": [action("a.txt", b"text" * 40)]}
        heads = set()
        for _ in range(2):
            assert door.post("/api/v1/models/alice/new/commit/main", body).status_code == 200
            heads.add(ref_rows.main_of(found))
        assert len(heads) == 1

    def test_deletes_the_named_files(self, door: Door) -> None:
        door.create()
        url = "/api/v1/models/alice/new/commit/main"
        door.post(url, {"message": "m", "files": [action("a.txt", b"text")]})
        answer = door.post(url, {"message": "m", "files": [{"path": "a.txt", "action": "delete"}]})
        assert answer.json()["msg"] == "OK"
        assert door.get("/csg/alice/new/resolve/main/a.txt").status_code == 404


class TestOneFile:
    def test_is_replaced(self, client: Client, door: Door) -> None:
        door.create()
        for data in (b"one", b"two"):
            form = {
                "file": SimpleUploadedFile("a", data),
                "file_path": "a.txt",
                "branch": "main",
                "message": "m",
            }
            answer = client.post("/api/v1/models/alice/new/upload_file", form, headers=door.headers)
            assert answer.json()["msg"] == "OK"
        assert b"".join(door.get("/csg/alice/new/resolve/main/a.txt")) == b"two"

    def test_of_others_is_refused_in_json(self, client: Client, door: Door) -> None:
        make.repository(make.user("bob"), "theirs")
        form = {"file": SimpleUploadedFile("a", b"x"), "file_path": "a", "branch": "main", "message": "m"}
        answer = client.post("/api/v1/models/bob/theirs/upload_file", form, headers=door.headers)
        assert (answer.status_code, answer.json()["msg"] != "OK") == (403, True)


class TestInstances:
    """Leases of a user that serve or tune a model."""

    @pytest.fixture
    def lease(self, headers: Mapping[str, str]) -> Lease:
        alice = Principal(user=User.objects.get(namespace__name="alice"))
        market.fund(market.namespace_of(alice), 1_000)
        found = market.lease(market.node(), holder=alice, gpus=2)
        found.state = "active"
        found.ends_at = found.agreed_end_at = database_now() + timedelta(hours=3)
        found.save()
        return found

    def run(self, lease: Lease, *command: str, **environment: str) -> Work:
        return Work.objects.create(
            lease=lease,
            runner="fake",
            command=[*command],
            environment=environment,
            token=uuid4(),
            requested_at=market.NOON,
            state="running",
        )

    def test_lists_what_leases_serve_and_what_they_tune(
        self, client: Client, lease: Lease, door: Door
    ) -> None:
        headers = make.bearer(holder_of(lease), "write", "trade")
        self.run(lease, "vllm", "serve", "alice/new")
        expected = {"deploy_id": lease.pk, "model_id": "alice/new", "status": "Running"}
        answer = client.get("/api/v1/user/alice/run/model", {"per": "5"}, headers=headers).json()
        assert answer.get("total") == 1, answer
        assert expected.items() <= answer["data"][0].items()
        assert all(isinstance(answer["data"][0][name], str) for name in ("deploy_name", "status"))
        tuned = client.get("/api/v1/user/alice/finetune/instances", headers=headers).json()
        assert tuned["data"] == []
        # A token that may not trade sees no leases.
        assert door.get("/api/v1/user/alice/run/model").json()["data"] == []

    def test_are_stopped_and_started(self, client: Client, lease: Lease, door: Door) -> None:
        door.create()
        headers = make.bearer(holder_of(lease), "write", "trade")
        self.run(lease, "server", MODEL_ID="alice/new")
        address = f"/api/v1/models/alice/new/run/{lease.pk}"
        assert client.get(address, headers=headers).json()["data"]["deploy_id"] == lease.pk
        for _ in range(2):
            assert client.put(f"{address}/stop", headers=headers).json() == {"msg": "OK", "data": None}
        assert lease.works.get().state == "stopping"
        lease.works.update(state="stopped")
        assert client.get(address, headers=headers).json()["data"]["status"] == "Stopped"
        for _ in range(2):
            assert client.put(f"{address}/start", headers=headers).json() == {"msg": "OK", "data": None}
        again = lease.works.order_by("-pk")[0]
        assert (again.state, again.command, again.environment) == (
            "queued",
            ["server"],
            {"MODEL_ID": "alice/new"},
        )
        Lease.objects.update(state="draining")
        lease.works.update(state="stopped")
        refused = client.put(f"{address}/start", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_not_running")

    def test_are_not_there_for_others_or_under_other_names(
        self, client: Client, lease: Lease, door: Door
    ) -> None:
        door.create()
        door.create(name="other")
        self.run(lease, "server", "--model", "alice/new")
        mine = make.bearer(holder_of(lease), "write", "trade")
        theirs = make.bearer(make.user(), "write", "trade")
        for address, headers in (
            (f"/api/v1/models/alice/other/run/{lease.pk}", mine),
            (f"/api/v1/models/alice/new/run/{lease.pk + 1}", mine),
            (f"/api/v1/models/alice/new/finetune/{lease.pk}", mine),
            (f"/api/v1/models/alice/new/run/{lease.pk}", theirs),
        ):
            assert client.get(address, headers=headers).status_code == 404
            assert client.put(f"{address}/stop", headers=headers).status_code == 404
        assert client.get(f"/api/v1/models/alice/new/run/{lease.pk}").status_code == 401
        assert lease.works.get().state == "running"

    @pytest.mark.parametrize(
        ("command", "served", "tuned"),
        [
            ("vllm serve a/b --port 1", "a/b", None),
            ("python -m server --model=a/b", "a/b", None),
            ("tgi --model-id a/b", "a/b", None),
            ("server --model /data/b", None, None),
            ("python train.py --model_name_or_path a/b --model c/d", None, "a/b"),
            ("python train.py", None, None),
        ],
    )
    def test_know_their_model_by_the_commands_words(
        self, command: str, served: str | None, tuned: str | None
    ) -> None:
        words = command.split()
        assert model_of(words, {}, tunes=False) == served
        assert model_of(words, {}, tunes=True) == tuned


class TestSpaceResources:
    def test_are_what_the_market_lists_as_open(self, client: Client) -> None:
        product = market.product()
        answer = client.get("/api/v1/space_resources", {"deploy_type": 0}).json()
        assert answer["total"] == len(answer["data"])
        [row] = [row for row in answer["data"] if row["id"] == product.pk]
        assert (row["name"], row["is_available"]) == (product.slug, True)

    def test_have_one_entry_even_when_nothing_is_for_rent(self, client: Client) -> None:
        Product.objects.update(state=Product.State.CLOSED)
        [row] = client.get("/api/v1/space_resources").json()["data"]
        assert row["id"]
