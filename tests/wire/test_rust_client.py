"""The requests of `hf-hub`, the client for Rust, replayed from its source: the crate cannot be built here.

Its Xet transfers are done by the same library that the Python package `hf_xet` wraps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.servers.clients import run_python
from tests.servers.git import make_repository
from tests.servers.live import LiveBazaar, LiveUser

SIZE = 11 * 1024 * 1024
STORE = "tests.wire.xet_store"
LFS_TYPE = "application/vnd.git-lfs+json"
# The client's own Xet session, given the token address, an endpoint and the first token.
SEND = """
import hf_xet, json, sys
url, headers, path = json.loads(sys.stdin.read())
session = hf_xet.XetSession()
with session.new_upload_commit(token_refresh_url=url, token_refresh_headers=headers) as commit:
    commit.start_upload_file(path, sha256=hf_xet.COMPUTE_SHA256)
"""


class RustClient:
    """`HFClient` with one model."""

    def __init__(self, bazaar: LiveBazaar, user: LiveUser, repo_id: str) -> None:
        self.bazaar, self.user, self.repo_id = bazaar, user, repo_id
        self.http = httpx.Client(
            base_url=bazaar.url,
            headers={"User-Agent": "hf-hub/1.0.0", "Authorization": f"Bearer {user.token}"},
            timeout=120,
        )

    def api(self, rest: str) -> str:
        return f"/api/models/{self.repo_id}/{rest}"

    def preupload(self, revision: str, path: str, content: bytes) -> str:
        sample = base64.b64encode(content[:512]).decode()
        body = {"files": [{"path": path, "size": len(content), "sample": sample}]}
        answer = self.http.post(self.api(f"preupload/{quote(revision, safe='')}"), json=body)
        answer.raise_for_status()
        [file] = answer.json()["files"]
        return str(file["uploadMode"])

    def batch(self, revision: str, content: bytes) -> dict[str, Any]:
        body = {
            "operation": "upload",
            "transfers": ["basic", "multipart", "xet"],
            "objects": [{"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}],
            "hash_algo": "sha256",
            "ref": {"name": revision},
        }
        answer = self.http.post(
            f"/{self.repo_id}.git/info/lfs/objects/batch",
            content=json.dumps(body),
            headers={"Accept": LFS_TYPE, "Content-Type": LFS_TYPE},
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def commit(self, revision: str, line: dict[str, Any], **params: str) -> dict[str, Any]:
        header = {"key": "header", "value": {"summary": "Upload model.bin", "description": ""}}
        answer = self.http.post(
            self.api(f"commit/{quote(revision, safe='')}"),
            params=params,
            content="".join(json.dumps(row) + "\n" for row in (header, line)),
            headers={"Content-Type": "application/x-ndjson"},
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def content(self, revision: str, path: str) -> bytes:
        answer = self.http.get(f"/{self.repo_id}/resolve/{quote(revision, safe='')}/{path}")
        answer.raise_for_status()
        return answer.content


@pytest.fixture
def alice(live_bazaar: LiveBazaar) -> Iterator[RustClient]:
    client = RustClient(live_bazaar, live_bazaar.alice, make_repository(live_bazaar, live_bazaar.alice))
    with client.http:
        yield client


@pytest.fixture
def bob(live_bazaar: LiveBazaar, alice: RustClient) -> Iterator[RustClient]:
    """A client for alice's repository, to which bob may not write."""
    client = RustClient(live_bazaar, live_bazaar.bob, alice.repo_id)
    with client.http:
        yield client


class TestUpload:
    def test_by_xet_to_a_branch_with_a_slash(self, live_bazaar: LiveBazaar, alice: RustClient) -> None:
        revision, content = "feat/x", os.urandom(SIZE)
        sha256 = hashlib.sha256(content).hexdigest()
        alice.http.post(alice.api(f"branch/{quote(revision, safe='')}"), json={}).raise_for_status()
        assert alice.preupload(revision, "model.bin", content) == "lfs"
        assert alice.batch(revision, content)["transfer"] == "xet"
        token_url = live_bazaar.url + alice.api(f"xet-write-token/{quote(revision, safe='')}")
        assert alice.http.get(token_url).json()["casUrl"] == f"{live_bazaar.url}/xet"
        env = live_bazaar.client_env(live_bazaar.alice)
        path = Path(env["HOME"]) / "model.bin"
        path.write_bytes(content)
        question = [token_url, {"Authorization": f"Bearer {live_bazaar.alice.token}"}, str(path)]
        run_python(SEND, env=env, input_text=json.dumps(question))
        entry = {"path": "model.bin", "algo": "sha256", "oid": sha256, "size": SIZE}
        alice.commit(revision, {"key": "lfsFile", "value": entry})
        assert live_bazaar.remote.call(f"{STORE}:xorbs_of", sha256)
        assert alice.content(revision, "model.bin") == content
        assert not alice.batch(revision, content)["objects"][0].get("actions")

    def test_asks_for_the_token_with_the_slash_as_it_is(
        self, live_bazaar: LiveBazaar, alice: RustClient
    ) -> None:
        """Versions before 1.0 do not encode the revision here."""
        for kind in ("read", "write"):
            answer = alice.http.get(alice.api(f"xet-{kind}-token/feat/x"))
            assert answer.json()["casUrl"] == f"{live_bazaar.url}/xet"

    def test_sends_large_files_inside_the_commit_where_it_may_only_propose(self, bob: RustClient) -> None:
        """The client does so whenever the batch chooses something else than Xet."""
        content = os.urandom(SIZE)
        assert bob.batch("main", content)["transfer"] != "xet"
        encoded = base64.b64encode(content).decode()
        line = {"key": "file", "value": {"content": encoded, "path": "model.bin", "encoding": "base64"}}
        assert "/discussions/1" in bob.commit("main", line, create_pr="1")["pullRequestUrl"]
        assert bob.content("refs/pr/1", "model.bin") == content
        [entry] = bob.http.post(bob.api("paths-info/refs%2Fpr%2F1"), json={"paths": ["model.bin"]}).json()
        assert entry["lfs"]["oid"] == hashlib.sha256(content).hexdigest()


class TestBatch:
    @pytest.mark.parametrize(
        ("agent", "transfer"),
        [
            ("hf-hub/1.0.0", "xet"),
            ("node", "xet"),
            ("", "xet"),
            ("git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)", "basic"),
            ("unknown/None; hf_hub/0.36.2; python/3.11.2", "basic"),
        ],
    )
    def test_chooses_xet_by_the_client(self, alice: RustClient, agent: str, transfer: str) -> None:
        alice.http.headers["User-Agent"] = agent
        assert alice.batch("main", b"content")["transfer"] == transfer
