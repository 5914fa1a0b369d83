"""OpenCSG's unmodified client, by both of its routes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest

from tests.servers.clients import program, run
from tests.servers.live import LiveBazaar, LiveUser, unique


@pytest.fixture
def repo_id(live_bazaar: LiveBazaar) -> str:
    return f"{live_bazaar.alice.name}/{unique('csg')}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "up"
    (source / "sub").mkdir(parents=True)
    (source / "README.md").write_text("---\nlicense: mit\n---\n# 你好\n")
    (source / "weights.bin").write_bytes(os.urandom(2_500_000))
    (source / "sub/文本.txt").write_text("文本")
    return source


def csg(
    bazaar: LiveBazaar,
    *words: str | Path,
    user: LiveUser | None = None,
    native: bool = False,
    fails: bool = False,
    timeout_seconds: float = 180,
) -> str:
    env = bazaar.client_env(user)
    env |= {"CSGHUB_HOME": env["HOME"], "CSGHUB_CACHE": f"{env['HOME']}/cache"}
    if native:
        env["CSGHUB_DISABLE_XNET"] = "true"
    argv: list[str | Path] = [program("csghub-cli"), *words]
    done = run(argv, env=env, fails=fails, timeout_seconds=timeout_seconds)
    return done.out + done.err


def same(one: Path, two: Path) -> bool:
    names = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    return all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


class TestDefaultRoute:
    def test_uploads_and_downloads_a_folder(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path, tmp_path: Path
    ) -> None:
        alice = live_bazaar.alice
        csg(live_bazaar, "upload", repo_id, folder, user=alice)
        target = tmp_path / "down"
        csg(live_bazaar, "download", repo_id, "-ld", target, user=alice)
        assert same(folder, target)

    def test_downloads_a_revision_with_slashes(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path, tmp_path: Path
    ) -> None:
        """The client leaves the slashes as they are."""
        alice = live_bazaar.alice
        csg(live_bazaar, "upload", repo_id, folder, user=alice)
        made = httpx.post(
            f"{live_bazaar.url}/api/models/{repo_id}/branch/release%2F1",
            json={},
            headers={"Authorization": f"Bearer {alice.token}"},
        )
        assert made.status_code == 200, made.text
        target = tmp_path / "down"
        csg(live_bazaar, "download", repo_id, "-r", "release/1", "-ld", target, user=alice)
        assert same(folder, target)

    def test_tells_a_stranger_of_a_private_one_nothing(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path
    ) -> None:
        csg(live_bazaar, "upload", repo_id, folder, "--private", user=live_bazaar.alice)
        said = csg(live_bazaar, "download", repo_id, user=live_bazaar.bob, fails=True)
        assert "404" in said or "not found" in said.lower(), said


class TestNativeRoute:
    @pytest.mark.parametrize("kind", ["model", "code"])
    def test_uploads_a_folder_by_git_and_downloads_it(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path, tmp_path: Path, kind: str
    ) -> None:
        alice = live_bazaar.alice
        csg(live_bazaar, "upload", repo_id, folder, "-t", kind, "-u", alice.name, user=alice, native=True)
        target = tmp_path / "down"
        csg(live_bazaar, "download", repo_id, "-t", kind, "-ld", target, user=alice, native=True)
        assert same(folder, target)

    def test_uploads_one_file(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path, tmp_path: Path
    ) -> None:
        alice = live_bazaar.alice
        csg(live_bazaar, "upload", repo_id, folder / "README.md", "docs", user=alice, native=True)
        csg(live_bazaar, "download", repo_id, "-ld", tmp_path / "down", user=alice, native=True)
        assert (tmp_path / "down/docs/README.md").read_text() == (folder / "README.md").read_text()

    def test_uploads_a_large_folder_in_parts(
        self, live_bazaar: LiveBazaar, repo_id: str, folder: Path, tmp_path: Path
    ) -> None:
        alice = live_bazaar.alice
        for number in range(8):
            (folder / f"shard{number}.bin").write_bytes(os.urandom(50_000))
        words = ["upload-large-folder", repo_id, folder, "-t", "model", "--num-workers", "2"]
        csg(live_bazaar, *words, user=alice)
        target = tmp_path / "down"
        csg(live_bazaar, "download", repo_id, "-ld", target, user=alice)
        assert same(folder, target)


class TestInstances:
    def test_are_listed_as_none(self, live_sqlite: LiveBazaar) -> None:
        alice = live_sqlite.alice
        csg(live_sqlite, "inference", "list", "-u", alice.name, user=alice)
        csg(live_sqlite, "finetune", "list", "-u", alice.name, user=alice)


class TestEnvelope:
    def test_is_json_whatever_happens(self, live_sqlite: LiveBazaar) -> None:
        headers = {"Authorization": f"Bearer {live_sqlite.alice.token}"}
        with httpx.Client(base_url=live_sqlite.url, headers=headers) as client:
            for method, path, status in (
                ("GET", "/api/v1/nowhere", 404),
                ("PUT", "/api/v1/models/a/b/run/1/start", 404),
                ("GET", f"/api/v1/user/{live_sqlite.bob.name}/run/model", 403),
                ("POST", "/api/v1/sandboxes", 501),
                ("GET", "/api/v1/models/a/b/branches", 404),
            ):
                answer = client.request(method, path)
                assert answer.status_code == status, path
                assert answer.json()["msg"] != "OK"
            body = {"namespace": live_sqlite.alice.name, "name": unique("csg")}
            assert client.post("/api/v1/codes", json=body).json()["msg"] == "OK"
            again = client.post("/api/v1/codes", json=body)
            assert again.status_code == 409
            assert "duplicate key value violates unique constraint" in again.text
            assert client.get("/api/v1/space_resources", params={"deploy_type": 0}).json()["data"][0]["id"]
            assert httpx.get(f"{live_sqlite.url}/api/v1/space_resources").status_code == 200
            wrong = client.get("/api/v1/space_resources", headers={"Authorization": "Bearer nobody"})
            assert (wrong.status_code, json.loads(wrong.text)["code"]) == (401, "invalid_token")
