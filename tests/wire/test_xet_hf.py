"""Xet, by unmodified Hugging Face clients: every upload and download an ordinary user makes."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
import struct
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers import clients, proxy, s3
from tests.servers.live import LiveBazaar, LiveUser, unique
from tests.waiting import until

STORE = "tests.wire.xet_store"
MB = 1_000_000


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Hub:
    """A user, a live server, and what the tests do with them."""

    def __init__(self, bazaar: LiveBazaar, folder: Path) -> None:
        self.bazaar = bazaar
        self.folder = folder
        self.alice = bazaar.user(unique("alice"))
        self.repo = f"{self.alice.name}/model"

    def hf(
        self, *words: str | Path, user: LiveUser | None = None, env: Mapping[str, str] | None = None
    ) -> clients.Run:
        """The client on a machine that has never seen this hub, unless a HOME is given."""
        surroundings = self.bazaar.client_env(user or self.alice) | dict(env or {})
        return clients.run([clients.program("hf"), *words], env=surroundings, timeout_seconds=280)

    def python(self, script: str, *, python: Path | None = None, **env: str) -> clients.Run:
        surroundings = self.bazaar.client_env(self.alice) | env
        return clients.run_python(script, env=surroundings, python=python)

    def upload(self, data: bytes, name: str = "model.bin", repo: str = "", **env: str) -> None:
        path = self.folder / unique("upload")
        path.write_bytes(data)
        self.hf("upload", repo or self.repo, path, name, env=env)

    def download(self, name: str = "model.bin", repo: str = "", **env: str) -> bytes:
        target = self.folder / unique("download")
        self.hf("download", repo or self.repo, name, "--local-dir", target, env=env)
        return (target / name).read_bytes()

    def get(self, name: str, *, user: LiveUser | None = None, **headers: str) -> tuple[int, Any, bytes]:
        """Plain HTTP on the file's address."""
        token = (user or self.alice).token
        request = urllib.request.Request(
            f"{self.bazaar.url}/{self.repo}/resolve/main/{name}",
            headers={"Authorization": f"Bearer {token}", **headers},
        )
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def stored(self) -> int:
        return int(self.bazaar.remote.call(f"{STORE}:stored_bytes"))


@pytest.fixture(scope="module")
def local_bazaar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    with LiveBazaar(tmp_path_factory.mktemp("xet")) as bazaar:
        yield bazaar


@pytest.fixture(scope="module")
def s3_bazaar(tmp_path_factory: pytest.TempPathFactory, s3_store: s3.ObjectStore) -> Iterator[LiveBazaar]:
    variables = s3.settings_of(s3_store, bucket="xet-wire")
    with LiveBazaar(tmp_path_factory.mktemp("xets3"), settings=variables) as bazaar:
        yield bazaar


@pytest.fixture(params=["local", "s3"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Hub:
    return Hub(request.getfixturevalue(f"{request.param}_bazaar"), tmp_path)


@pytest.fixture
def local_hub(local_bazaar: LiveBazaar, tmp_path: Path) -> Hub:
    return Hub(local_bazaar, tmp_path)


class TestRoundTrip:
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(random_bytes(1), id="one byte"),
            pytest.param(random_bytes(8191), id="below one chunk"),
            pytest.param(random_bytes(131_073), id="two chunks"),
            pytest.param(random_bytes(70 * MB), id="two xorbs"),
            pytest.param(b"".join(struct.pack("<f", at % 97 / 8) for at in range(2_000_000)), id="floats"),
            pytest.param(bytes(300_000), id="zeros"),
        ],
    )
    def test_gives_back_what_was_sent(self, hub: Hub, content: bytes) -> None:
        hub.upload(content)
        assert hub.download() == content
        assert hub.download(HF_HUB_DISABLE_XET="1") == content

    def test_of_an_empty_file(self, hub: Hub) -> None:
        hub.upload(b"", "empty.bin")
        assert hub.download("empty.bin") == b""

    def test_of_2000_small_binaries_in_one_go(self, local_hub: Hub) -> None:
        hub = local_hub
        source, target = hub.folder / "many", hub.folder / "back"
        source.mkdir()
        for at in range(2000):
            (source / f"{at}.bin").write_bytes(random_bytes(1000 + at * 7, seed=at))
        hub.hf("upload", hub.repo, source)
        hub.hf("download", hub.repo, "--local-dir", target)
        for path in source.iterdir():
            assert (target / path.name).read_bytes() == path.read_bytes()

    def test_by_push_to_hub(self, hub: Hub) -> None:
        """As a model's own class does it; the weights are any bytes."""
        script = (
            "from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download\n"
            "class Model(ModelHubMixin):\n"
            "    def __init__(self, layers: int = 2, weights: bytes = b''):\n"
            "        self.layers, self.weights = layers, weights\n"
            "    def _save_pretrained(self, folder):\n"
            "        (folder / 'model.safetensors').write_bytes(self.weights)\n"
            "    def generate_model_card(self, **_):\n"
            "        return ModelCard('---\\nlicense: mit\\n---\\n# Ours')\n"
            "    @classmethod\n"
            "    def _from_pretrained(cls, *, model_id, revision, layers, **_):\n"
            "        path = hf_hub_download(model_id, 'model.safetensors', revision=revision)\n"
            "        return cls(layers, open(path, 'rb').read())\n"
            "weights = bytes(range(256)) * 20_000\n"
            f"Model(7, weights).push_to_hub({hub.repo!r})\n"
            f"back = Model.from_pretrained({hub.repo!r})\n"
            "assert (back.layers, back.weights) == (7, weights), back.layers"
        )
        hub.python(script)
        assert hub.get("model.safetensors")[1]["X-Xet-Hash"]

    def test_by_upload_large_folder(self, hub: Hub) -> None:
        source = hub.folder / "large"
        source.mkdir()
        for at in range(3):
            (source / f"{at}.safetensors").write_bytes(random_bytes(3 * MB, seed=at))
        # The newest client has no such call any more: `upload_folder` took its place.
        hub.python(
            "from huggingface_hub import HfApi\n"
            f"HfApi().upload_large_folder({hub.repo!r}, {str(source)!r}, repo_type='model', num_workers=2)",
            python=clients.old_huggingface_environment() / "bin" / "python",
        )
        assert hub.download("2.safetensors") == random_bytes(3 * MB, seed=2)

    def test_of_a_dataset(self, hub: Hub) -> None:
        data = random_bytes(2 * MB, seed=5)
        path = hub.folder / "rows.parquet"
        path.write_bytes(data)
        hub.hf("upload", hub.repo, path, "rows.parquet", "--repo-type", "dataset")
        target = hub.folder / "rows"
        hub.hf("download", hub.repo, "rows.parquet", "--repo-type", "dataset", "--local-dir", target)
        assert (target / "rows.parquet").read_bytes() == data

    def test_by_the_client_that_leaves_v1_out(self, hub: Hub) -> None:
        python = clients.old_huggingface_environment() / "bin" / "python"
        data = random_bytes(5 * MB, seed=36)
        path = hub.folder / "old.bin"
        path.write_bytes(data)
        hub.python(
            "from huggingface_hub import HfApi\n"
            "api = HfApi()\n"
            f"api.create_repo({hub.repo!r})\n"
            f"api.upload_file(repo_id={hub.repo!r}, path_in_repo='old.bin', path_or_fileobj={str(path)!r})",
            python=python,
        )
        assert hub.download("old.bin") == data
        hub.upload(data + b"more", "new.bin")
        target = hub.folder / "fetched"
        hub.python(
            "from huggingface_hub import hf_hub_download\n"
            f"hf_hub_download({hub.repo!r}, 'new.bin', local_dir={str(target)!r})",
            python=python,
        )
        assert (target / "new.bin").read_bytes() == data + b"more"

    def test_leaves_an_ordinary_pointer_in_git(self, local_hub: Hub) -> None:
        data = random_bytes(MB, seed=7)
        local_hub.upload(data)
        clone = local_hub.folder / "clone"
        env = local_hub.bazaar.client_env(local_hub.alice)
        url = local_hub.bazaar.git_url(local_hub.repo, local_hub.alice)
        clients.run(["git", "clone", "-q", url, clone], env=env | {"GIT_LFS_SKIP_SMUDGE": "1"})
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data)}\nsize {MB}\n"
        assert (clone / "model.bin").read_text() == pointer


class TestDeduplication:
    CONTENT = random_bytes(40 * MB, seed=11)

    def test_sends_only_what_changed(self, hub: Hub) -> None:
        """From a machine that knows nothing: the hub tells it what is there already."""
        hub.upload(self.CONTENT)
        before = hub.stored()
        changed = self.CONTENT[: 20 * MB] + random_bytes(400_000, seed=12) + self.CONTENT[20 * MB + 400_000 :]
        hub.upload(changed)
        assert hub.stored() - before < 1 * MB
        assert hub.download() == changed
        assert hub.download(HF_HUB_DISABLE_XET="1") == changed

    def test_sends_nothing_for_the_same_file_elsewhere(self, hub: Hub) -> None:
        content = random_bytes(10 * MB, seed=13)
        hub.upload(content)
        before = hub.stored()
        other = f"{hub.alice.name}/copy"
        hub.upload(content, repo=other)
        assert hub.stored() == before
        assert hub.download(repo=other) == content

    def test_lets_a_stranger_send_private_content_again_and_keeps_it_once(self, local_hub: Hub) -> None:
        content = random_bytes(10 * MB, seed=14)
        local_hub.hf("repos", "create", local_hub.repo, "--private")
        local_hub.upload(content)
        before, seen = local_hub.stored(), local_hub.bazaar.log_path.stat().st_size
        bob = local_hub.bazaar.user(unique("bob"))
        path = local_hub.folder / "same"
        path.write_bytes(content)
        local_hub.hf("upload", f"{bob.name}/same", path, "model.bin", user=bob)
        assert local_hub.stored() == before
        log = local_hub.bazaar.log_path.read_text()[seen:]
        sent = [line for line in log.splitlines() if " POST /xet/v1/xorbs/" in line]
        assert sent, "bob's client relied on what it may not see"
        target = local_hub.folder / "theirs"
        local_hub.hf("download", f"{bob.name}/same", "--local-dir", target, user=bob)
        assert (target / "model.bin").read_bytes() == content

    def test_survives_the_old_version_of_a_file(self, hub: Hub) -> None:
        first, second = random_bytes(3 * MB, seed=15), random_bytes(3 * MB, seed=16)
        hub.upload(first)
        hub.upload(second)
        target = hub.folder / "old"
        script = (
            "from huggingface_hub import HfApi, hf_hub_download\n"
            f"old = HfApi().list_repo_commits({hub.repo!r})[1].commit_id\n"
            f"hf_hub_download({hub.repo!r}, 'model.bin', revision=old, local_dir={str(target)!r})"
        )
        hub.python(script)
        assert (target / "model.bin").read_bytes() == first


class TestPlainHttp:
    def test_serves_ranges_of_a_file_in_chunks(self, hub: Hub) -> None:
        data = random_bytes(9 * MB, seed=21)
        hub.upload(data)
        status, headers, body = hub.get("model.bin")
        assert (status, body) == (200, data)
        assert headers["ETag"] == f'"{sha256(data)}"'
        assert headers["Accept-Ranges"] == "bytes"
        for asked, expected in {
            "bytes=0-0": data[:1],
            "bytes=100-4999999": data[100:5_000_000],
            "bytes=8999990-": data[8_999_990:],
            "bytes=-17": data[-17:],
        }.items():
            status, headers, body = hub.get("model.bin", Range=asked)
            assert (status, body) == (206, expected)
            assert headers["Content-Range"].endswith(f"/{len(data)}")
        assert hub.get("model.bin", Range=f"bytes={len(data)}-")[0] == 416

    def test_breaks_off_rather_than_give_a_wrong_byte(self, local_hub: Hub) -> None:
        data = random_bytes(5 * MB, seed=22)
        local_hub.upload(data)
        [name] = local_hub.bazaar.remote.call(f"{STORE}:xorbs_of", sha256(data))
        local_hub.bazaar.remote.call(f"{STORE}:damage", name)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            local_hub.get("model.bin")
        assert "damaged" in local_hub.bazaar.log_path.read_text()

    def test_serves_git_lfs(self, hub: Hub) -> None:
        data = random_bytes(2 * MB, seed=23)
        hub.upload(data)
        clone = hub.folder / "clone"
        env = hub.bazaar.client_env(hub.alice)
        clients.run(["git", "lfs", "install"], env=env)
        clients.run(["git", "clone", "-q", hub.bazaar.git_url(hub.repo, hub.alice), clone], env=env)
        assert (clone / "model.bin").read_bytes() == data

    def test_serves_a_file_that_came_by_lfs_to_a_xet_client(self, hub: Hub) -> None:
        data = random_bytes(2 * MB, seed=24)
        hub.upload(data, HF_HUB_DISABLE_XET="1")
        assert hub.download() == data


class TestConversion:
    def test_offers_a_file_that_came_by_lfs_to_xet_clients(self, hub: Hub) -> None:
        data = random_bytes(6 * MB, seed=31)
        hub.upload(data, HF_HUB_DISABLE_XET="1")
        assert hub.get("model.bin")[1]["X-Xet-Hash"] is None
        assert hub.bazaar.remote.call(f"{STORE}:convert") > 0
        _, headers, body = hub.get("model.bin")
        assert (len(headers["X-Xet-Hash"]), body) == (64, data)
        assert hub.download() == data
        before = hub.stored()
        hub.upload(data + b"more")
        assert hub.stored() - before < 300_000


class TestResume:
    def test_finishes_an_interrupted_upload(self, hub: Hub) -> None:
        """The client is killed after its first xorb; the same command on the same machine finishes."""
        data = os.urandom(140 * MB)
        path = hub.folder / "big"
        path.write_bytes(data)
        env = hub.bazaar.client_env(hub.alice)
        command: list[str | Path] = [clients.program("hf"), "upload", hub.repo, path, "model.bin"]
        before = hub.stored()
        first = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: hub.stored() != before or first.poll() is not None)
        first.kill()
        assert first.wait() == -signal.SIGKILL
        clients.run(command, env=env)
        assert sha256(hub.download()) == sha256(data)

    def test_goes_on_after_the_link_broke(self, local_hub: Hub) -> None:
        data = random_bytes(15 * MB, seed=41)
        local_hub.upload(data)
        with proxy.running(f"127.0.0.1:{local_hub.bazaar.port}") as link:
            link.cut_once_at = 10 * MB
            assert local_hub.download(HF_ENDPOINT=link.url) == data
            assert len(link.went("GET", "/xet/data/")) > 1
