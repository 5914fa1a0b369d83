"""The core of the Hugging Face wire with the real clients: the newest, and 0.36 (`requests`, LFS)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from hub.gitstore.folders import CONFIG
from tests.servers.clients import Run, old_huggingface_environment, program, run, run_python
from tests.servers.live import LiveBazaar, unique

Script = Callable[..., Run]

PREAMBLE = """
import hashlib, os, pathlib, sys, tempfile
import huggingface_hub as hf
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import *
api = HfApi()
me, repo = sys.argv[1], sys.argv[2]
folder = pathlib.Path(tempfile.mkdtemp())

def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as refusal:
        return refusal
    raise SystemExit(f"{call.__name__} did not raise {error.__name__}")

"""


@pytest.fixture(params=["newest", "0.36"])
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of a client generation."""
    return (
        Path(sys.executable)
        if request.param == "newest"
        else old_huggingface_environment() / "bin" / "python"
    )


@pytest.fixture
def repo_id(live_bazaar: LiveBazaar) -> str:
    return f"{live_bazaar.alice.name}/{unique('model')}"


@pytest.fixture
def script(live_bazaar: LiveBazaar, python: Path, repo_id: str) -> Script:
    """Run a client script as alice; what it asserts, it asserts itself."""

    def call(text: str, *, env: Mapping[str, str] | None = None) -> Run:
        whole = PREAMBLE + textwrap.dedent(text)
        argv: list[str | Path] = [python, "-c", whole, live_bazaar.alice.name, repo_id]
        return run(argv, env={**live_bazaar.client_env(live_bazaar.alice), **(env or {})})

    return call


class TestRepositories:
    def test_are_created_described_changed_moved_and_deleted(self, script: Script) -> None:
        script(
            """
            assert api.whoami()["name"] == me
            url = api.create_repo(repo)
            assert url.repo_id == repo and url == f"{os.environ['HF_ENDPOINT']}/{repo}", url
            assert api.create_repo(repo, exist_ok=True).repo_id == repo
            refused(HfHubHTTPError, api.create_repo, repo)
            info = api.model_info(repo)
            assert info.id == repo and len(info.sha) == 40 and info.private is False and info.gated is False
            assert [s.rfilename for s in info.siblings] == [".gitattributes"]
            assert info.created_at.tzinfo and info.last_modified.tzinfo
            api.update_repo_settings(repo, private=True)
            assert api.model_info(repo).private is True
            api.update_repo_settings(repo, gated="manual")
            assert api.model_info(repo).gated == "manual"
            api.move_repo(repo, repo + "-moved")
            assert api.model_info(repo).id == repo + "-moved"
            api.upload_file(path_or_fileobj=b"x", path_in_repo="by-old-name.txt", repo_id=repo)
            assert api.file_exists(repo + "-moved", "by-old-name.txt")
            api.create_repo(repo)  # the old name is free, and leads nowhere any more
            assert api.model_info(repo).id == repo
            api.delete_repo(repo)
            api.delete_repo(repo, missing_ok=True)
            refused(RepositoryNotFoundError, api.delete_repo, repo)
            assert not api.repo_exists(repo)
            for kind in ("dataset", "space"):
                api.create_repo(repo, repo_type=kind, **({"space_sdk": "static"} if kind == "space" else {}))
                assert api.repo_info(repo, repo_type=kind).id == repo
            """
        )

    def test_of_others_are_hidden_or_closed(
        self, live_bazaar: LiveBazaar, python: Path, repo_id: str, script: Script
    ) -> None:
        script(
            "api.create_repo(repo, private=True);"
            "api.upload_file(path_or_fileobj=b'x', path_in_repo='a', repo_id=repo)"
        )
        text = PREAMBLE + textwrap.dedent(
            """
            refused(RepositoryNotFoundError, api.model_info, repo)
            refused(RepositoryNotFoundError, hf_hub_download, repo, "a")
            refused(RepositoryNotFoundError, api.model_info, repo + "-never-was")
            refused(HfHubHTTPError, api.upload_file, path_or_fileobj=b"x", path_in_repo="b", repo_id=repo)
            refused(HfHubHTTPError, api.create_repo, repo + "-new")
            """
        )
        for user in (live_bazaar.bob, None):
            run([python, "-c", text, "bob", repo_id], env=live_bazaar.client_env(user))

    def test_behind_a_gate_show_their_card_and_keep_their_files(
        self, live_bazaar: LiveBazaar, python: Path, repo_id: str, script: Script
    ) -> None:
        script(
            """
            api.create_repo(repo)
            api.upload_file(path_or_fileobj=b"x", path_in_repo="a", repo_id=repo)
            api.update_repo_settings(repo, gated="manual")
            """
        )
        text = PREAMBLE + textwrap.dedent(
            """
            assert api.model_info(repo).gated == "manual"
            error = refused(GatedRepoError, hf_hub_download, repo, "a")
            assert error.response.status_code == int(me), error
            """
        )
        for user, status in ((live_bazaar.bob, "403"), (None, "401")):
            run([python, "-c", text, status, repo_id], env=live_bazaar.client_env(user))


class TestContent:
    def test_goes_up_and_comes_down_unchanged(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo)
            names = ["README.md", "empty.bin", "weights.bin", "big.txt"]
            names += ["sub/名前 #1%25 &?.txt", "sub/a b/+c.json", "é.safetensors"]
            contents = {name: (name * 50).encode() for name in names}
            contents["README.md"] = b"---\\nlicense: mit\\ntags: [wire]\\n---\\n# Hello\\n"
            contents["empty.bin"] = b""
            contents["weights.bin"] = os.urandom(3_000_000)
            contents["big.txt"] = b"line\\n" * 400_000
            for name, data in contents.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            commit = api.upload_folder(folder_path=folder, repo_id=repo, commit_message="All of it")
            again = api.upload_folder(folder_path=folder, repo_id=repo)
            info = api.model_info(repo, files_metadata=True)
            files = {s.rfilename: s for s in info.siblings}
            assert files.keys() == {*names, ".gitattributes"}, files.keys()
            for name, data in contents.items():
                assert files[name].size == len(data), name
            lfs = files["weights.bin"].lfs
            assert lfs["sha256"] == hashlib.sha256(contents["weights.bin"]).hexdigest()
            assert files["empty.bin"].lfs is None and files["big.txt"].lfs is None
            assert "license:mit" in info.tags and "wire" in info.tags and info.card_data["license"] == "mit"
            path = pathlib.Path(snapshot_download(repo))
            for name, data in contents.items():
                assert (path / name).read_bytes() == data, name
            before = {p: p.stat().st_ino for p in path.rglob("*") if p.is_file()}
            assert snapshot_download(repo) == str(path)
            assert before == {p: p.stat().st_ino for p in path.rglob("*") if p.is_file()}
            weights = pathlib.Path(hf_hub_download(repo, "weights.bin", revision=info.sha[:10]))
            assert weights.read_bytes() == contents["weights.bin"]
            missing = refused(EntryNotFoundError, hf_hub_download, repo, "nope.txt")
            assert missing.response.headers["X-Repo-Commit"] == info.sha
            refused(RevisionNotFoundError, hf_hub_download, repo, "README.md", revision="nope")
            url = hf.hf_hub_url(repo, "weights.bin")
            meta = hf.get_hf_file_metadata(url)
            assert (meta.size, meta.etag, meta.commit_hash) == (3_000_000, lfs["sha256"], info.sha)
            """
        )

    def test_is_listed_read_and_deleted(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo)
            ops = [hf.CommitOperationAdd(f"d{n}/f{n}.txt", b"%d" % n) for n in range(30)]
            done = api.create_commit(repo, ops, commit_message="Thirty", commit_description="Files.")
            assert len(done.oid) == 40
            tree = list(api.list_repo_tree(repo, recursive=True, expand=True))
            assert len(tree) == 61 and all(item.last_commit.title for item in tree)
            one = api.get_paths_info(repo, ["d1/f1.txt", "d2", "nope"], expand=True)
            assert [item.path for item in one] == ["d1/f1.txt", "d2"]
            commits = api.list_repo_commits(repo, formatted=True)
            assert [c.title for c in commits] == ["Thirty", "initial commit"]
            assert commits[0].message == "Files."
            assert commits[0].authors == [me]
            api.delete_file("d1/f1.txt", repo)
            api.delete_folder("d2", repo)
            refused(EntryNotFoundError, api.delete_file, "nope", repo)
            api.create_commit(repo, [hf.CommitOperationCopy("d3/f3.txt", "copied.txt"),
                                     hf.CommitOperationDelete("d4/")], commit_message="Copy")
            names = api.list_repo_files(repo)
            assert not {"d1/f1.txt", "d2/f2.txt", "d4/f4.txt"} & set(names) and "copied.txt" in names
            add = [hf.CommitOperationAdd("x", b"x")]
            stale = refused(HfHubHTTPError, api.create_commit, repo, add,
                            commit_message="Late", parent_commit=done.oid)
            assert stale.response.status_code == 412
            invalid = b"---\\nlicense: [\\n---\\n"
            card = {"path_or_fileobj": invalid, "path_in_repo": "README.md"}
            refused(ValueError, api.upload_file, repo_id=repo, **card)
            """
        )

    def test_is_reached_through_the_file_system_and_the_card(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo)
            fs = hf.HfFileSystem()
            with fs.open(f"{repo}/sub/data.txt", "w") as file:
                file.write("hello world")
            assert fs.read_text(f"{repo}/sub/data.txt") == "hello world"
            with fs.open(f"{repo}/sub/data.txt", "rb", block_size=4) as file:
                file.seek(6)
                assert file.read(5) == b"world"
            assert fs.glob(f"{repo}/**/*.txt") == [f"{repo}/sub/data.txt"]
            fs.cp_file(f"{repo}/sub/data.txt", f"{repo}/copy.txt")
            fs.rm(f"{repo}/sub/data.txt")
            assert not fs.exists(f"{repo}/sub/data.txt") and fs.exists(f"{repo}/copy.txt")
            card = hf.ModelCard("---\\nlicense: mit\\nlanguage: zh\\n---\\n# 你好\\n")
            if hf.__version__ >= "1":
                card.push_to_hub(repo)
            else:  # that generation validates cards at a host of its own choice
                api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo)
            assert hf.ModelCard.load(repo).data.language == "zh"
            if hf.__version__ >= "1":
                hf.metadata_update(repo, {"pipeline_tag": "text-generation"})
                assert api.model_info(repo, expand=["pipeline_tag"]).pipeline_tag == "text-generation"
            """
        )


class TestRefs:
    def test_branch_tag_squash_and_large_files(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo)
            api.create_branch(repo, branch="dev/一")
            api.create_branch(repo, branch="dev/一", exist_ok=True)
            refused(HfHubHTTPError, api.create_branch, repo, branch="dev/一")
            refused(HfHubHTTPError, api.create_branch, repo, branch="a..b")
            refused(RevisionNotFoundError, api.create_branch, repo, branch="x", revision="nope")
            data = os.urandom(5000)
            api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo, revision="dev/一")
            [row] = api.get_paths_info(repo, ["w.bin"], revision="dev/一", expand=True)
            assert row.last_commit.oid == api.list_repo_commits(repo, revision="dev/一")[0].commit_id
            assert list(api.list_models(author=me, inference_provider="all")) == []
            info = api.model_info(repo, expand=["inferenceProviderMapping"])
            assert info.inference_provider_mapping == []
            api.create_tag(repo, tag="v1", revision="dev/一", tag_message="First")
            refused(HfHubHTTPError, api.create_tag, repo, tag="v1")
            refs = api.list_repo_refs(repo)
            assert {b.name for b in refs.branches} == {"main", "dev/一"}
            assert [t.name for t in refs.tags] == ["v1"]
            assert api.list_repo_files(repo, revision="v1") == [".gitattributes", "w.bin"]
            assert api.list_repo_files(repo, revision="refs/heads/dev/一") == [".gitattributes", "w.bin"]
            assert os.path.getsize(hf_hub_download(repo, "w.bin", revision="dev/一")) == 5000
            refused(HfHubHTTPError, api.delete_branch, repo, branch="main")
            [large] = api.list_lfs_files(repo)
            assert large.size == 5000 and large.filename == "w.bin"
            api.permanently_delete_lfs_files(repo, [large])
            assert list(api.list_lfs_files(repo)) == []
            assert api.list_repo_files(repo, revision="dev/一") == [".gitattributes"]
            api.delete_tag(repo, tag="v1")
            refused(RevisionNotFoundError, api.delete_tag, repo, tag="v1")
            api.delete_branch(repo, branch="dev/一")
            for n in range(3):
                api.upload_file(path_or_fileobj=b"%d" % n, path_in_repo="n.txt", repo_id=repo)
            api.super_squash_history(repo, commit_message="One")
            assert [c.title for c in api.list_repo_commits(repo)] == ["One"]
            assert pathlib.Path(hf_hub_download(repo, "n.txt")).read_bytes() == b"2"
            """
        )


class TestCopies:
    """Only the newest client copies large files between repositories without moving their bytes."""

    @pytest.fixture
    def python(self) -> Path:
        return Path(sys.executable)

    def test_carry_large_files_to_another_repository(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo, private=True)
            api.create_repo(repo + "-to", repo_type="dataset")
            data = os.urandom(300_000)
            api.upload_file(path_or_fileobj=data, path_in_repo="a/w.bin", repo_id=repo)
            api.upload_file(path_or_fileobj=b"small", path_in_repo="a/s.txt", repo_id=repo)
            target = f"hf://datasets/{repo}-to/"
            api.copy_files(f"hf://{repo}/a/w.bin", target + "b/w.bin")
            api.copy_files(f"hf://{repo}/a/s.txt", target + "b/s.txt")
            got = hf_hub_download(repo + "-to", "b/w.bin", repo_type="dataset")
            assert pathlib.Path(got).read_bytes() == data
            got = hf_hub_download(repo + "-to", "b/s.txt", repo_type="dataset")
            assert pathlib.Path(got).read_bytes() == b"small"
            """
        )

    def test_take_nothing_that_is_hidden_or_missing(self, live_bazaar: LiveBazaar, repo_id: str) -> None:
        alice, bob = live_bazaar.alice, live_bazaar.bob
        hidden, mine = f"{bob.name}/{unique('hidden')}", repo_id
        for user, name in ((bob, hidden), (alice, mine)):
            HfApi(live_bazaar.url, token=user.token).create_repo(name, private=True)
        body = {"target": {"type": "model", "name": mine}, "files": [{"sha256": "0" * 64, "filename": "x"}]}
        ask = partial(httpx.post, headers={"Authorization": f"Bearer {alice.token}"})
        answer = ask(f"{live_bazaar.url}/api/models/{hidden}/lfs-files/duplicate", json=body)
        assert answer.status_code == 404
        own = f"{live_bazaar.url}/api/models/{mine}/lfs-files/duplicate"
        assert [file["sha256"] for file in ask(own, json=body).json()["failed"]] == ["0" * 64]
        assert ask(own, json={**body, "target": {"type": "model", "name": hidden}}).status_code == 404
        for bad in ({}, {**body, "files": [1]}, {**body, "target": "x"}):
            assert ask(own, json=bad).status_code == 400


class TestTokens:
    def test_that_nobody_knows_are_refused_everywhere(self, script: Script) -> None:
        script(
            """
            api.create_repo(repo)
            for token in ("hf_nobody", "x"):
                error = refused(HfHubHTTPError, HfApi(token=token).model_info, repo)
                assert error.response.status_code == 401 and not isinstance(error, RepositoryNotFoundError)
                assert "Invalid credentials in Authorization header" in str(error), error
            """
        )

    def test_that_only_read_cannot_write(self, live_bazaar: LiveBazaar, python: Path, repo_id: str) -> None:
        reader = live_bazaar.user(scopes="read")
        text = PREAMBLE + "assert refused(HfHubHTTPError, api.create_repo, repo).response.status_code == 403"
        run([python, "-c", text, reader.name, f"{reader.name}/x"], env=live_bazaar.client_env(reader))


class TestCommandLine:
    def test_of_the_newest_client(self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path) -> None:
        env = live_bazaar.client_env(live_bazaar.alice)
        del env["HF_TOKEN"]
        hf = program("hf")
        run([hf, "auth", "login", "--token", live_bazaar.alice.token], env=env)
        assert live_bazaar.alice.name in run([hf, "auth", "whoami"], env=env).out
        (tmp_path / "a.txt").write_text("hello")
        (tmp_path / "w.bin").write_bytes(b"\0" * 100_000)
        run([hf, "upload", repo_id, tmp_path, "."], env=env)
        run([hf, "upload", repo_id, tmp_path / "a.txt", "b.txt", "--revision", "dev"], env=env)
        target = tmp_path / "down"
        run([hf, "download", repo_id, "--local-dir", target], env=env)
        assert (target / "w.bin").read_bytes() == b"\0" * 100_000
        run([hf, "download", repo_id, "b.txt", "--revision", "dev", "--local-dir", target], env=env)
        assert (target / "b.txt").read_text() == "hello"
        missing = run([hf, "download", repo_id, "nope.txt"], env=env, fails=True)
        assert "nope.txt" in missing.out + missing.err

    def test_of_the_older_client(self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path) -> None:
        env = live_bazaar.client_env(live_bazaar.alice)
        cli = old_huggingface_environment() / "bin" / "huggingface-cli"
        (tmp_path / "w.bin").write_bytes(b"\1" * 100_000)
        run([cli, "upload", repo_id, tmp_path / "w.bin", "w.bin"], env=env)
        down = run([cli, "download", repo_id, "w.bin"], env=env).out.split()[-1]
        assert Path(down).read_bytes() == b"\1" * 100_000

    def test_of_the_older_client_uploads_a_large_folder_in_pieces(
        self, live_bazaar: LiveBazaar, repo_id: str, tmp_path: Path
    ) -> None:
        for number in range(60):
            (tmp_path / f"f{number}.bin").write_bytes(bytes([number]) * 2000)
        env = live_bazaar.client_env(live_bazaar.alice)
        run_python(
            "from huggingface_hub import HfApi\n"
            f"HfApi().upload_large_folder({repo_id!r}, {str(tmp_path)!r}, repo_type='model', num_workers=4)\n"
            f"assert len(HfApi().list_repo_files({repo_id!r})) == 61",
            env=env,
            python=old_huggingface_environment() / "bin" / "python",
        )


class TestFiftyCommitsAtOnce:
    def test_each_lands_or_is_refused_and_none_is_lost(self, live_bazaar: LiveBazaar, repo_id: str) -> None:
        headers = {"Authorization": f"Bearer {live_bazaar.alice.token}"}
        name = repo_id.partition("/")[2]
        with httpx.Client(base_url=live_bazaar.url, headers=headers, timeout=120) as client:
            assert client.post("/api/repos/create", json={"name": name}).status_code == 200

            def commit(number: int) -> int:
                lines = (
                    '{"key": "header", "value": {"summary": "n"}}\n'
                    f'{{"key": "file", "value": {{"path": "f{number}", "content": "aGk="}}}}\n'
                )
                return client.post(f"/api/models/{repo_id}/commit/main", content=lines).status_code

            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(commit, range(50)))
            assert set(answers) <= {200, 409, 412}, answers
            landed = {f"f{number}" for number, status in enumerate(answers) if status == 200}
            tree = client.get(f"/api/models/{repo_id}/tree/main").json()
        assert {item["path"] for item in tree} - {".gitattributes"} == landed
        assert len(landed) >= 40, answers
        for folder in (live_bazaar.data / "git").glob("*/*/*.git"):
            if (folder / "config").read_text() == CONFIG and (folder / "packed-refs").exists():
                fsck = subprocess.run(
                    ["git", "-C", folder, "fsck", "--full"], capture_output=True, check=False
                )
                assert fsck.returncode == 0, fsck.stderr
