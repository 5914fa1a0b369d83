"""ModelScope's unmodified client: its command line and its Python API."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import httpx
import pytest

from tests.servers.clients import program, run, run_python
from tests.servers.live import LiveBazaar, LiveUser, unique


@pytest.fixture
def repo_id(live_bazaar: LiveBazaar) -> str:
    return f"{live_bazaar.alice.name}/{unique('ms')}"


def env_of(bazaar: LiveBazaar, user: LiveUser | None) -> dict[str, str]:
    token = {"MODELSCOPE_API_TOKEN": user.token} if user else {}
    env = bazaar.client_env(user)
    return {**env, "MODELSCOPE_HOME": str(Path(env["HOME"]) / "ms-home"), **token}


def ms(bazaar: LiveBazaar, *words: str | Path, user: LiveUser | None = None, fails: bool = False) -> str:
    done = run([program("modelscope-hub"), *words], env=env_of(bazaar, user), fails=fails)
    return done.out + done.err


class TestCommandLine:
    def test_signs_in_once_and_for_all(self, live_bazaar: LiveBazaar) -> None:
        env = env_of(live_bazaar, None)
        cli = program("modelscope-hub")
        run([cli, "login", "--token", live_bazaar.alice.token], env=env)
        assert live_bazaar.alice.name in run([cli, "whoami"], env=env).out
        bad = run([cli, "login", "--token", "nobody"], env=env_of(live_bazaar, None), fails=True)
        assert "E3001" in bad.out + bad.err

    @pytest.mark.parametrize("kind", ["model", "dataset"])
    def test_creates_uploads_lists_downloads_and_deletes(
        self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path, kind: str
    ) -> None:
        alice, kinds = live_bazaar.alice, ("--repo-type", kind)
        ms(live_bazaar, "create", repo_id, *kinds, "--visibility", "private", user=alice)
        assert "E3026" in ms(live_bazaar, "create", repo_id, *kinds, user=alice, fails=True)
        ms(live_bazaar, "create", repo_id, *kinds, "--exist-ok", user=alice)
        source = tmp_path / "up"
        contents = {
            "README.md": b"---\nlicense: mit\n---\n# \xe4\xbd\xa0\xe5\xa5\xbd\n",
            "config.json": b"{}",
            "weights.bin": os.urandom(2_000_000),
            "empty.bin": b"",
            "sub/名 前.txt": "文本".encode(),
        }
        for name, data in contents.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        ms(live_bazaar, "upload", repo_id, source, *kinds, user=alice)
        assert repo_id in ms(live_bazaar, "info", repo_id, *kinds, user=alice)
        assert repo_id in ms(live_bazaar, "list", *kinds, "--owner", alice.name, "--all", user=alice)
        target = tmp_path / "down"
        ms(live_bazaar, "download", repo_id, *kinds, "--local-dir", target, user=alice)
        for name, data in contents.items():
            assert (target / name).read_bytes() == data, name
        one = tmp_path / "one"
        ms(live_bazaar, "download", repo_id, "sub/名 前.txt", *kinds, "--local-dir", one, user=alice)
        assert (one / "sub/名 前.txt").read_text() == "文本"
        for user in (live_bazaar.bob, None):
            said = ms(live_bazaar, "download", repo_id, *kinds, user=user, fails=True)
            assert "E3020" in said or "E3001" in said, said
        ms(live_bazaar, "delete", repo_id, *kinds, "--yes", user=alice)
        assert "E3020" in ms(live_bazaar, "info", repo_id, *kinds, user=alice, fails=True)

    def test_gets_the_code_of_each_refusal(
        self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path
    ) -> None:
        (tmp_path / "a.txt").write_text("x")
        ms(live_bazaar, "create", repo_id, "--repo-type", "model", user=live_bazaar.alice)
        said = ms(live_bazaar, "upload", repo_id, tmp_path / "a.txt", user=live_bazaar.bob, fails=True)
        assert "E3002" in said, said
        said = ms(live_bazaar, "download", repo_id, "nope.txt", user=live_bazaar.alice, fails=True)
        assert "E3020" in said, said


class TestUmbrella:
    """The package `modelscope`, whose own command and modules lie over `modelscope_hub`."""

    def test_sends_fetches_and_lists(self, live_sqlite: LiveBazaar, tmp_path: Path) -> None:
        alice, name = live_sqlite.alice, f"{live_sqlite.alice.name}/{unique('umbrella')}"
        env = env_of(live_sqlite, alice)
        source, target = tmp_path / "up", tmp_path / "down"
        (source / "子").mkdir(parents=True)
        contents = {"w.bin": os.urandom(2_000_000), "子/文本.txt": "文本".encode(), "empty.bin": b""}
        for path, data in contents.items():
            (source / path).write_bytes(data)
        run([program("modelscope"), "upload", name, source], env=env)
        run([program("modelscope"), "download", "--model", name, "--local_dir", target], env=env)
        assert {path: (target / path).read_bytes() for path in contents} == contents
        run_python(
            textwrap.dedent(
                f"""
                import pathlib
                from modelscope import snapshot_download
                from modelscope.hub.api import HubApi
                from modelscope.hub.file_download import model_file_download
                path = pathlib.Path(snapshot_download({name!r}))
                assert (path / "子" / "文本.txt").read_text() == "文本"
                assert pathlib.Path(model_file_download({name!r}, "w.bin")).stat().st_size == 2_000_000
                names = {{row["Path"] for row in HubApi().get_model_files({name!r}, recursive=True)}}
                assert {{"w.bin", "empty.bin", "子/文本.txt"}} <= names, names
                """
            ),
            env=env,
        )


class TestPython:
    def test_reads_what_the_hugging_face_client_wrote(
        self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path
    ) -> None:
        alice = live_bazaar.alice
        run_python(
            textwrap.dedent(
                f"""
                from huggingface_hub import HfApi
                api = HfApi()
                api.create_repo({repo_id!r})
                api.upload_file(path_or_fileobj=b"w" * 1000, path_in_repo="w.bin", repo_id={repo_id!r})
                api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id={repo_id!r})
                api.create_tag({repo_id!r}, tag="v1")
                api.upload_file(path_or_fileobj=b"newer", path_in_repo="a.txt", repo_id={repo_id!r})
                """
            ),
            env=live_bazaar.client_env(alice),
        )
        run_python(
            textwrap.dedent(
                f"""
                import pathlib
                from modelscope_hub.compat import snapshot_download
                path = pathlib.Path(snapshot_download({repo_id!r}))
                assert (path / "w.bin").read_bytes() == b"w" * 1000
                assert (path / "a.txt").read_bytes() == b"newer"
                old = pathlib.Path(snapshot_download({repo_id!r}, revision="v1"))
                assert (old / "a.txt").read_bytes() == b"text"
                """
            ),
            env=env_of(live_bazaar, alice),
        )


class TestEnvelope:
    @pytest.mark.parametrize(
        "path", ["/api/v1/nowhere", "/openapi/v1/nowhere", "/api/v1/models/a/b/repo/x", "/x"]
    )
    def test_is_kept_for_unknown_routes(self, live_sqlite: LiveBazaar, path: str) -> None:
        answer = httpx.get(f"{live_sqlite.url}/modelscope{path}")
        assert answer.status_code == 404
        body = answer.json()
        assert (body.get("Success"), body.get("success")) in {(False, None), (None, False)}

    def test_takes_the_cookie_alone(self, live_sqlite: LiveBazaar) -> None:
        url = f"{live_sqlite.url}/modelscope/openapi/v1/users/me"
        answer = httpx.get(url, headers={"Cookie": f"m_session_id={live_sqlite.alice.token}"})
        assert answer.json()["data"]["username"] == live_sqlite.alice.name
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Cookie": "m_session_id=wrong"}).status_code == 401

    def test_refuses_altered_addresses_and_wrong_bytes(self, live_sqlite: LiveBazaar) -> None:
        alice = live_sqlite.alice
        with httpx.Client(
            base_url=f"{live_sqlite.url}/modelscope", headers={"Authorization": f"Bearer {alice.token}"}
        ) as client:
            name = unique("ms")
            client.post("/api/v1/models", json={"Path": alice.name, "Name": name}).raise_for_status()
            answer = client.post(
                f"/api/v1/repos/models/{alice.name}/{name}/info/lfs/objects/batch",
                json={"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 3}]},
            ).json()
            href = answer["objects"][0]["actions"]["upload"]["href"]
            assert client.put(href, content=b"abc").status_code == 400
            assert client.put(href[:-3] + "xyz", content=b"abc").status_code == 403
            bad = client.post(
                f"/api/v1/repos/models/{alice.name}/{name}/commit/master",
                json={
                    "commit_message": "m",
                    "actions": [
                        {"action": "create", "path": "w", "type": "lfs", "size": 3, "sha256": "ab" * 32}
                    ],
                },
            )
            assert (bad.status_code, bad.json()["Success"]) == (400, False)
