"""Faults on purpose: what a user sees while a part is away, and that nothing acknowledged is lost.

`script/faults stores` and `script/faults disk` run them by hand.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests import clock
from tests.bazaar.backups.test_live import SMALL_THRESHOLD, Writers
from tests.servers import pgbouncer, proxy, s3
from tests.servers.live import LiveBazaar, unique
from tests.servers.ports import require_tool
from tests.servers.proxy import Proxy
from tests.waiting import pause, until

LOOKING = "tests.bazaar.backups.looking"
PERIODIC = "tests.bazaar.periodic"
DISK_BYTES = 96 * 1024 * 1024
FULL = {"commit": 507, "upload": 507}


class Hub:
    """A live bazaar behind PgBouncer, whose S3 store is behind a proxy; one user commits and orders there."""

    def __init__(self, bazaar: LiveBazaar, store: Proxy | None = None) -> None:
        self.bazaar, self.store = bazaar, store or Proxy(0)
        self.numbers = itertools.count(1)
        # The fixture of a module has no clock of its own.
        with clock.real_time():
            self.writers = Writers(bazaar)
        self.number = 0

    def write(self) -> None:
        """A commit of a small and of a large file, and an order: each is acknowledged, or this raises."""
        self.number += 1
        self.writers._commit(self.number)
        self.writers._order(self.number)

    def statuses(self) -> dict[str, int]:
        """Try a commit, an upload by git-lfs and an order, each once, as a client that does not try again.

        Those that are acknowledged have to stay. No answer shows the inside of the hub.
        """
        answers = {"commit": self.commit(), "upload": self.upload(self.content()), "order": self.order()}
        assert not any("Traceback" in answer.text for answer in answers.values())
        return {what: answer.status_code for what, answer in answers.items()}

    def try_commit(self) -> bool:
        """True if a commit was acknowledged; a connection that breaks acknowledges nothing."""
        return succeeds(self.commit)

    def try_order(self) -> bool:
        return succeeds(self.order)

    def try_lfs(self) -> bool:
        """A large object and the commit that names it."""
        body = self.content()
        oid = hashlib.sha256(body).hexdigest()
        file = {"path": f"{oid[:12]}.bin", "algo": "sha256", "oid": oid, "size": len(body)}
        if not succeeds(lambda: self.upload(body)) or not succeeds(lambda: self.commit("lfsFile", file)):
            return False
        self.writers.acknowledged.oids.append(oid)
        return True

    def name(self) -> str:
        return f"tried-{next(self.numbers)}"

    def content(self) -> bytes:
        """Content that no other file has."""
        return random.Random(self.name()).randbytes(200_000)

    def commit(self, key: str = "file", file: dict[str, Any] | None = None) -> httpx.Response:
        name = self.name()
        content = base64.b64encode(name.encode()).decode()
        file = file or {"path": "tried.txt", "content": content, "encoding": "base64"}
        lines = [{"key": "header", "value": {"summary": name}}, {"key": key, "value": file}]
        answer = self.post(
            f"/api/models/{self.writers.repo}/commit/main", content="\n".join(map(json.dumps, lines))
        )
        if answer.is_success:
            self.writers.acknowledged.commits.append(answer.json()["commitOid"])
        return answer

    def order(self) -> httpx.Response:
        name = self.name()
        answer = self.post("/api/market/v1/orders", json={**self.writers.order, "client_order_id": name})
        if answer.is_success:
            self.writers.acknowledged.orders.append(name)
        return answer

    def upload(self, body: bytes) -> httpx.Response:
        """The answer to the bytes of a large object; to the request for their address, if that is refused."""
        objects = [{"oid": hashlib.sha256(body).hexdigest(), "size": len(body)}]
        asked = self.post(
            f"/{self.writers.repo}.git/info/lfs/objects/batch",
            json={"operation": "upload", "transfers": ["basic"], "objects": objects},
        )
        if not asked.is_success:
            return asked
        action = asked.json()["objects"][0]["actions"]["upload"]
        return httpx.put(action["href"], content=body, headers=action.get("header", {}), timeout=120)

    def post(self, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.writers.user.token}"}
        return httpx.post(f"{self.bazaar.url}{path}", headers=headers, timeout=120, **body)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(
            f"{self.bazaar.url}{path}",
            headers={"Authorization": f"Bearer {self.writers.user.token}"},
            follow_redirects=True,
            timeout=120,
        )

    def resolve(self, name: str) -> httpx.Response:
        revision = "side" if self.number % 3 == 0 else "main"
        return self.get(f"/{self.writers.repo}/resolve/{revision}/{name}")

    def large(self) -> str:
        """The path of the large file of the last commit."""
        return f"large-{self.number}.bin"

    def require_all(self) -> None:
        """Everything that was acknowledged is there and whole, and the books are right."""
        done, remote = self.writers.acknowledged, self.bazaar.remote
        found = remote.call(f"{LOOKING}:commits", self.writers.repo)
        assert set(done.commits) <= set(found["commits"])
        assert found["heads"][0] == found["heads"][1]
        assert set(done.oids) <= set(remote.call(f"{LOOKING}:whole_oids", self.writers.repo))
        assert set(done.orders) <= set(remote.call(f"{LOOKING}:orders"))
        assert remote.call(f"{LOOKING}:market")["findings"] == []


def succeeds(ask: Callable[[], httpx.Response]) -> bool:
    """True if the answer says that it is done; False for a refusal, or if the connection broke."""
    with contextlib.suppress(httpx.TransportError):
        return ask().is_success
    return False


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, s3_store: s3.ObjectStore
) -> Iterator[Hub]:
    require_tool("pgbouncer")
    name = unique("faults").replace("-", "_")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    database_url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("faults")
        # PgBouncer does not run as root, and the folders of pytest are closed to others.
        pooler = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bazaar-pooler-")))
        pooled = stack.enter_context(pgbouncer.running(pooler, server=database_url))
        between = stack.enter_context(proxy.running(s3_store.endpoint.removeprefix("http://")))
        store = s3.ObjectStore(between.url, s3_store.access_key, s3_store.secret_key)
        settings = s3.settings_of(store, bucket=name.replace("_", "-")) | SMALL_THRESHOLD
        bazaar = LiveBazaar(
            folder / "hub", database_url=pooled, settings={**settings, "BAZAAR_S3_PRESIGN": "no"}
        )
        yield Hub(stack.enter_context(bazaar), between)


@pytest.fixture(autouse=True)
def _calm_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that failed leaves no fault behind."""
    yield
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").store.calm()


@pytest.mark.timeout(600)
class TestStores:
    def test_a_pooler_passes_all_that_the_hub_does(self, hub: Hub) -> None:
        hub.write()
        assert hub.bazaar.remote.call(f"{PERIODIC}:run_all", 1) == []
        hub.require_all()

    def test_two_beats_do_no_harm(self, hub: Hub) -> None:
        """Every periodic task twice at the same time."""
        hub.write()
        assert hub.bazaar.remote.call(f"{PERIODIC}:run_all", 2) == []
        hub.require_all()

    def test_without_redis_everything_goes_on_and_an_empty_one_is_enough(self, hub: Hub) -> None:
        redis = hub.bazaar._redis
        assert redis is not None
        redis.kill()
        redis.wait()
        hub.write()
        assert hub.resolve("small.txt").status_code == 200
        assert hub.resolve(hub.large()).status_code == 200
        assert hub.get("/market").status_code == 200
        ready = hub.get("/readyz")
        assert (ready.status_code, ready.json()["dependencies"]["database"]) == (503, "ok")
        shutil.rmtree(hub.bazaar.data / "redis")
        hub.bazaar.start_redis()
        until(lambda: hub.get("/readyz").status_code == 200, what=lambda: hub.get("/readyz").text)
        hub.write()
        hub.require_all()

    def test_a_store_that_fails_is_503_and_small_files_are_served(self, hub: Hub) -> None:
        hub.write()
        hub.store.refuse = lambda _method, _path: 503
        answer = hub.resolve(hub.large())
        assert (answer.status_code, "Traceback" in answer.text) == (503, False)
        assert hub.resolve("small.txt").status_code == 200
        # A small commit needs no object store, and neither does an order.
        assert hub.statuses() == {"commit": 200, "upload": 503, "order": 202}
        assert hub.get("/readyz").json()["dependencies"]["objects"] != "ok"
        hub.store.calm()
        hub.write()
        hub.require_all()

    def test_a_slow_store_is_waited_for(self, hub: Hub) -> None:
        hub.store.before = lambda _method, _path: pause(0.3)
        hub.write()
        assert hub.resolve(hub.large()).status_code == 200
        hub.store.calm()
        hub.require_all()

    def test_a_paused_node_answers_when_it_goes_on(self, hub: Hub) -> None:
        group = os.getpgid(hub.bazaar.web_pid)
        os.killpg(group, signal.SIGSTOP)
        errors: list[BaseException] = []

        def write() -> None:
            try:
                hub.write()
            except BaseException as error:  # noqa: BLE001 - the test raises it
                errors.append(error)

        waiting = threading.Thread(target=write)
        waiting.start()
        pause(1.5)
        assert waiting.is_alive()
        os.killpg(group, signal.SIGCONT)
        waiting.join()
        assert errors == []
        hub.require_all()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, of memory, in that folder. Skips where nothing may be mounted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(600)
class TestDisk:
    def test_a_full_or_read_only_disk_refuses_writes_and_loses_nothing(self, tmp_path: Path) -> None:
        with (
            small_disk(tmp_path / "disk") as disk,
            LiveBazaar(disk / "hub", settings=SMALL_THRESHOLD) as bazaar,
        ):
            hub = Hub(bazaar)
            hub.write()
            filler = disk / "filler"
            with filler.open("wb") as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            tried = hub.statuses()
            # An order may find room in a file of the database that is longer than its content.
            assert tried.pop("order") in {202, 507}
            assert tried == FULL
            assert hub.resolve("small.txt").status_code == 200
            filler.unlink()
            hub.write()
            # A mount with files that are open for writing cannot become read-only, but one over it can.
            git = str(bazaar.data / "git")
            subprocess.run(["mount", "--bind", git, git], check=True)
            try:
                subprocess.run(["mount", "-o", "remount,bind,ro", git], check=True)
                assert hub.commit().status_code == 503
                assert hub.order().status_code == 202
                assert hub.resolve("small.txt").status_code == 200
            finally:
                subprocess.run(["umount", "-l", git], check=True)
            hub.write()
            hub.require_all()
