"""`@huggingface/hub`, the client for JavaScript, as npm delivers it, under Node."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.clients import node_client, run
from tests.servers.git import make_repository
from tests.servers.live import LiveBazaar, unique

Scenario = Callable[..., None]
STORE = "tests.wire.xet_store"
SIZE = 12_000_000


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """12 MB that no other test has sent before."""
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture(scope="module")
def small_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    settings = {"BAZAAR_LFS_PARTS_ABOVE_BYTES": "1000000", "BAZAAR_LFS_PART_BYTES": str(5 * 1024 * 1024)}
    with LiveBazaar(tmp_path_factory.mktemp("js-parts"), settings=settings) as made:
        yield made


def scenario_on(bazaar: LiveBazaar, name: str, repo_id: str, file: Path) -> None:
    env = {**bazaar.client_env(bazaar.alice), "HUB_URL": bazaar.url, "TOKEN": bazaar.alice.token}
    run([*node_client("client.mjs"), name, repo_id, file], env=env)


@pytest.fixture
def repo_id(live_bazaar: LiveBazaar) -> str:
    return make_repository(live_bazaar, live_bazaar.alice)


@pytest.fixture
def scenario(live_bazaar: LiveBazaar, repo_id: str, weights: Path) -> Scenario:
    """Run a scenario of `js/client.mjs` as alice, on a repository of hers."""

    def call(name: str, *, repo: str = repo_id) -> None:
        scenario_on(live_bazaar, name, repo, weights)

    return call


def head_files(bazaar: LiveBazaar, repo_id: str) -> dict[str, str]:
    """Path → sha256 of each large file on the default branch."""
    answer = httpx.get(f"{bazaar.url}/api/models/{repo_id}", params={"blobs": "true"})
    siblings = answer.json()["siblings"]
    return {file["rfilename"]: file["lfs"]["sha256"] for file in siblings if "lfs" in file}


class TestAccount:
    def test_signs_in_with_a_new_token(self, scenario: Scenario) -> None:
        scenario("account")

    def test_makes_lists_and_deletes_a_repository(self, live_bazaar: LiveBazaar, scenario: Scenario) -> None:
        scenario("repository", repo=f"{live_bazaar.alice.name}/{unique('js')}")


class TestUpload:
    def test_by_one_request(
        self, live_bazaar: LiveBazaar, scenario: Scenario, repo_id: str, weights: Path
    ) -> None:
        scenario("basic")
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        assert head_files(live_bazaar, repo_id) == {"model.bin": sha256}

    def test_in_parts(self, small_parts: LiveBazaar, weights: Path) -> None:
        repo_id = make_repository(small_parts, small_parts.alice)
        scenario_on(small_parts, "basic", repo_id, weights)
        assert "/parts/3" in small_parts.log_path.read_text()
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        assert head_files(small_parts, repo_id) == {"model.bin": sha256}

    def test_by_xet_and_downloads_ranges_of_it(
        self, live_bazaar: LiveBazaar, scenario: Scenario, repo_id: str, weights: Path
    ) -> None:
        scenario("xet")
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        assert head_files(live_bazaar, repo_id) == {"model.bin": sha256}
        assert live_bazaar.remote.call(f"{STORE}:xorbs_of", sha256)
        scenario("download")
        scenario("copy")


class TestCommits:
    def test_adds_edits_deletes_and_proposes(self, scenario: Scenario) -> None:
        scenario("commit")

    def test_on_a_branch_with_a_slash(self, scenario: Scenario) -> None:
        scenario("branch")

    def test_lists_the_files_and_commits_of_a_branch_with_a_slash(self, scenario: Scenario) -> None:
        scenario("branchLists")
