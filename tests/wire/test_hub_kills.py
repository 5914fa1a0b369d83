"""The hub's processes killed at random moments while people write: nothing acknowledged is lost.

A few kills here; `script/kills hub 200` has as many as you like.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from bazaar.server import processes
from tests.bazaar.backups.test_live import SMALL_THRESHOLD
from tests.servers.live import LiveBazaar, unique
from tests.waiting import pause
from tests.wire.test_faults import Hub

log = logging.getLogger(__name__)

KILLS = int(os.environ.get("BAZAAR_TEST_KILLS", "4"))
SEED = int(os.environ.get("BAZAAR_TEST_SEED", "1"))
# The order of kills: web processes do most of the writes.
TURNS = ("web", "worker", "web", "redis")


class Work:
    """Threads that try one kind of write again and again, and note what was acknowledged."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        self.tried: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name, step))
            for name, step in {
                "commit": hub.try_commit,
                "order": hub.try_order,
                "lfs": hub.try_lfs,
                "xet": self._xet,
                "push": self._push,
            }.items()
        ]

    def __enter__(self) -> Self:
        self.clone = self.folder / "clone"
        self._git("clone", "-q", self.hub.bazaar.git_url(self.hub.writers.repo, self.hub.writers.user))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _run(self, name: str, step: Callable[[], bool]) -> None:
        try:
            while not self._over.is_set():
                self.tried[name] += 1
                self.done[name] += step()
                self._over.wait(0.05)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.errors.append(error)

    def _xet(self) -> bool:
        try:
            self.hub.writers._commit(10_000 + self.tried["xet"])
        except Exception:  # noqa: BLE001 - whatever a client raises when its server is killed
            return False
        return True

    def _push(self) -> bool:
        """A commit on a branch that nobody else moves, so that a push never comes too late."""
        (self.clone / "pushed.txt").write_text(str(self.tried["push"]))
        self._git("add", "-A", at=self.clone)
        self._git("commit", "-q", "-m", "pushed", at=self.clone)
        if self._git("push", "-q", "origin", "HEAD:refs/heads/pushed", at=self.clone).returncode:
            return False
        head = self._git("rev-parse", "HEAD", at=self.clone).stdout.strip()
        self.hub.writers.acknowledged.commits.append(head)
        return True

    def _git(self, *words: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        arguments = [*words, str(self.clone)] if at is None else list(words)
        env = self.hub.bazaar.client_env(self.hub.writers.user, home=self.folder / "home")
        return subprocess.run(
            ["git", *arguments], cwd=at, env=env, check=False, capture_output=True, text=True, timeout=300
        )


def kill(bazaar: LiveBazaar, name: str) -> None:
    """Kill all processes of a part at once, and start it again."""
    process = {"web": bazaar._web, "worker": bazaar._worker, "redis": bazaar._redis}[name]
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if name == "web":
        bazaar.start_web()
    elif name == "redis":
        bazaar.start_redis()
    else:
        bazaar.start_worker("-B", "-s", str(bazaar.folder / unique("beat")))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_kills_at_random_moments_lose_nothing(
    database: str,
    make_bazaar: Callable[..., LiveBazaar],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    chance = random.Random(SEED)
    url = fresh_database(request.getfixturevalue("postgres_url")) if database == "postgres" else ""
    bazaar = make_bazaar(database_url=url, **SMALL_THRESHOLD)
    hub = Hub(bazaar)
    worker = bazaar.start_worker("-B", "-s", str(bazaar.folder / unique("beat")))
    with Work(hub, tmp_path) as work:
        for number in range(KILLS):
            pause(chance.uniform(0, 2))
            kill(bazaar, TURNS[number % len(TURNS)])
    assert bazaar._worker is not None
    processes.stop(bazaar._worker)
    assert worker.poll() is not None
    figures = {name: f"{work.done[name]} of {work.tried[name]}" for name in work.tried}
    log.warning("kills_done database=%s kills=%s acknowledged=%s", database, KILLS, figures)
    assert work.done["commit"]
    assert work.done["order"]
    hub.require_all()
    assert httpx.get(f"{bazaar.url}/readyz", timeout=60).status_code == 200


def fresh_database(server_url: str) -> str:
    name = unique("kills").replace("-", "_")
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()
