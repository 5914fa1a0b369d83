"""Xet on bad days: tokens and addresses that end too early, links that crawl, clients that are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.servers import clients, proxy, s3
from tests.servers.live import LiveBazaar, unique
from tests.servers.proxy import Proxy
from tests.waiting import pause, until
from tests.wire.test_xet_hf import MB, random_bytes

# Lifetimes. An address lives longer than a busy machine takes from receiving it to using it.
TOKEN_S, ADDRESS_S = 2, 5
DATA = random_bytes(15 * MB, seed=51)


def late_once(part: str, seconds: float) -> Callable[[str, str], None]:
    """Hold the first request for such a path."""
    held: list[str] = []

    def before(_method: str, path: str) -> None:
        if part in path and not held:
            held.append(path)
            pause(seconds)

    return before


@dataclass
class Site:
    """A hub behind a proxy, whose object store is reached through another one or is the hub itself."""

    bazaar: LiveBazaar
    front: Proxy
    store: Proxy
    data_path: str

    def __post_init__(self) -> None:
        self.alice = self.bazaar.user(unique("alice"))
        self.stored = self.upload(DATA)

    def client(self) -> dict[str, str]:
        """A machine that has never seen this hub."""
        return self.bazaar.client_env(self.alice) | {"HF_ENDPOINT": self.front.url}

    def upload(self, data: bytes, **env: str) -> str:
        """To a new repository, whose id it gives."""
        repo = f"{self.alice.name}/{unique('model')}"
        path = self.bazaar.folder / unique("upload")
        path.write_bytes(data)
        words = [clients.program("hf"), "upload", repo, path, "model.bin"]
        clients.run(words, env=self.client() | env, timeout_seconds=280)
        return repo

    def download(self, repo: str, target: Path, env: dict[str, str] | None = None) -> bytes:
        clients.run(download_words(repo, target), env=env or self.client(), timeout_seconds=280)
        return (target / "model.bin").read_bytes()

    def calm(self) -> None:
        self.front.calm()
        self.store.calm()


def download_words(repo: str, target: Path) -> list[str | Path]:
    return [clients.program("hf"), "download", repo, "model.bin", "--local-dir", target]


@contextmanager
def site_on_files(folder: Path) -> Iterator[Site]:
    with hasty(folder, {}) as (bazaar, front):
        yield Site(bazaar, front, front, "/xet/data/")


@contextmanager
def site_on_s3(folder: Path, store: s3.ObjectStore) -> Iterator[Site]:
    with proxy.running(store.endpoint.removeprefix("http://")) as door:
        variables = s3.settings_of(replace(store, endpoint=door.url), bucket="xet-interrupted")
        with hasty(folder, variables) as (bazaar, front):
            yield Site(bazaar, front, door, "/xorbs/")


@contextmanager
def hasty(folder: Path, variables: dict[str, str]) -> Iterator[tuple[LiveBazaar, Proxy]]:
    short = {"BAZAAR_XET_TOKEN_SECONDS": str(TOKEN_S), "BAZAAR_XET_RANGE_SECONDS": str(ADDRESS_S)}
    with (
        LiveBazaar(folder, settings=variables | short) as bazaar,
        proxy.running(f"127.0.0.1:{bazaar.port}") as front,
    ):
        yield bazaar, front


@pytest.fixture(scope="module")
def site_on_local_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_on_files(tmp_path_factory.mktemp("hasty")) as site:
        yield site


@pytest.fixture(scope="module")
def site_on_object_store(
    tmp_path_factory: pytest.TempPathFactory, s3_store: s3.ObjectStore
) -> Iterator[Site]:
    with site_on_s3(tmp_path_factory.mktemp("hasty-s3"), s3_store) as site:
        yield site


@pytest.fixture
def slow_store(site_on_object_store: Site) -> Site:
    site_on_object_store.calm()
    return site_on_object_store


@pytest.fixture(params=["site_on_local_files", "site_on_object_store"], ids=["local", "s3"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    found.calm()
    return found


class TestTokens:
    def test_that_end_during_an_upload_are_renewed(self, site: Site, tmp_path: Path) -> None:
        """The client asks for another in time; what was on its way meanwhile is taken."""
        data = random_bytes(3 * MB, seed=52)
        site.front.before = late_once("/v1/xorbs/", TOKEN_S + 1)
        repo = site.upload(data)
        [sent] = site.front.went("POST", "/v1/xorbs/")
        later = site.front.log[site.front.log.index(sent) :]
        assert any("/xet-write-token/" in done.path for done in later)
        assert {done.status for done in site.front.log if "/xet" in done.path} == {200, 404}
        assert site.download(repo, tmp_path) == data

    def test_that_end_during_a_download_are_renewed(self, site: Site, tmp_path: Path) -> None:
        site.front.before = late_once("/v2/reconstructions/", TOKEN_S + 1)
        assert site.download(site.stored, tmp_path) == DATA
        assert len(site.front.went("GET", "/xet-read-token/")) > 1


class TestAddresses:
    def test_that_have_ended_are_asked_for_anew(self, site: Site, tmp_path: Path) -> None:
        site.store.before = late_once(site.data_path, ADDRESS_S + 1)
        assert site.download(site.stored, tmp_path) == DATA
        assert [done.status for done in site.store.went("GET", site.data_path)][:2] == [403, 206]


class TestDownload:
    def test_is_finished_by_the_next_run_after_the_client_was_killed(
        self, site: Site, tmp_path: Path
    ) -> None:
        env = site.client()
        site.store.bytes_per_second = 5 * MB
        running = subprocess.Popen(
            download_words(site.stored, tmp_path),
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: site.store.went("GET", site.data_path) or running.poll() is not None)
        finally:
            running.kill()
        assert running.wait() == -signal.SIGKILL
        assert not (tmp_path / "model.bin").exists()
        site.calm()
        assert site.download(site.stored, tmp_path, env) == DATA

    def test_over_http_goes_on_where_the_link_broke(self, site: Site, tmp_path: Path) -> None:
        """The client keeps blocks of 10 MiB."""
        site.front.cut_once_at = 12 * MB
        env = site.client() | {"HF_HUB_DISABLE_XET": "1"}
        assert site.download(site.stored, tmp_path, env) == DATA
        [resumed] = [done for done in site.front.went("GET", "/resolve/") if done.range]
        assert (resumed.status, resumed.range) == (206, "bytes=10485760-")


class TestSlowStore:
    @pytest.mark.parametrize("version", ["1", "2"])
    def test_is_waited_for_longer_than_clients_wait_for_an_answer(
        self, slow_store: Site, tmp_path: Path, version: str
    ) -> None:
        """Reading a file back takes longer here than the client's timeout."""
        data = random_bytes(4 * MB, seed=int(version))
        slow_store.store.bytes_per_second = MB // 4
        began = time.monotonic()
        repo = slow_store.upload(
            data, HF_XET_CLIENT_READ_TIMEOUT="6s", HF_XET_CLIENT_SHARD_API_VERSION=version
        )
        assert time.monotonic() - began > 6
        assert len(slow_store.front.went("POST", f"/v{version}/shards")) >= 1
        slow_store.calm()
        assert slow_store.download(repo, tmp_path) == data
