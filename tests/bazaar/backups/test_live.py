"""Backups beside live writers, killed at random moments: the last complete one restores.

A few backups here; `script/faults backup 50` has as many as you like.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hub.blobstore import S3Options
from tests.clock import moment
from tests.operate import book
from tests.servers import s3
from tests.servers.live import LiveBazaar, LiveUser, unique
from tests.servers.remote import ROOT, Remote, RemoteError
from tests.waiting import pause

KILLS = int(os.environ.get("BAZAAR_TEST_BACKUPS", "2"))
# In the long form, a backup is made and restored after each so many kills.
RESTORED_EVERY = int(os.environ.get("BAZAAR_TEST_RESTORED_EVERY", "5"))
SEED = int(os.environ.get("BAZAAR_TEST_SEED", "1"))
SMALL_THRESHOLD = {"BAZAAR_LFS_THRESHOLD_BYTES": "1000"}
KEY = "a key that is long enough for this, surely"
LOOKING = "tests.bazaar.backups.looking"


@dataclass
class Acknowledged:
    """The writes that the hub has acknowledged so far."""

    commits: list[str] = field(default_factory=list)
    oids: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def copy(self) -> Acknowledged:
        return Acknowledged(list(self.commits), list(self.oids), list(self.orders))


class Writers:
    """Threads that commit small and large files, on two branches, and place orders until they are stopped."""

    def __init__(self, bazaar: LiveBazaar) -> None:
        self.bazaar = bazaar
        self.user = bazaar.user(scopes="write,trade")
        self.api = HfApi(endpoint=bazaar.url, token=self.user.token)
        self.repo = f"{self.user.name}/{unique('model')}"
        self.api.create_repo(self.repo)
        self.api.create_branch(self.repo, branch="side")
        self.order = tomorrows_order(bazaar, self.user)
        self.acknowledged = Acknowledged()
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(step,)) for step in (self._commit, self._order)
        ]

    def _run(self, step: Callable[[int], None]) -> None:
        try:
            number = 0
            while not self._over.is_set():
                number += 1
                step(number)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.errors.append(error)

    def _commit(self, number: int) -> None:
        large = random.Random(number).randbytes(5_000)
        files = [
            CommitOperationAdd("small.txt", str(number).encode()),
            CommitOperationAdd(f"large-{number}.bin", large),
        ]
        made = self.api.create_commit(
            self.repo, files, commit_message=str(number), revision="side" if number % 3 == 0 else "main"
        )
        self.acknowledged.commits.append(made.oid)
        self.acknowledged.oids.append(hashlib.sha256(large).hexdigest())

    def _order(self, number: int) -> None:
        name = f"order-{number}"
        placed = httpx.post(
            f"{self.bazaar.url}/api/market/v1/orders",
            json={**self.order, "client_order_id": name},
            headers={"Authorization": f"Bearer {self.user.token}"},
            timeout=60,
        )
        assert placed.is_success, placed.text
        self.acknowledged.orders.append(name)
        self._over.wait(0.05)

    @contextmanager
    def at_work(self) -> Iterator[Acknowledged]:
        for thread in self._threads:
            thread.start()
        try:
            yield self.acknowledged
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()
        if self.errors:
            raise self.errors[0]


def tomorrows_order(bazaar: LiveBazaar, user: LiveUser) -> dict[str, Any]:
    """A bid far below the market, which rests."""
    bazaar.manage("seed_market")
    bazaar.manage("deposit", user.name, "1000000")
    base = f"{bazaar.url}/api/market/v1"
    product = str(httpx.get(f"{base}/products", params={"gpu": "h100"}).json()["items"][0]["product"])
    price = httpx.get(f"{base}/products/{product}/ticker").json()["index_micros"]
    start = (moment() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    times = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
    return {"side": "buy", "product": product, "gpus": 1, "limit_price": price, **times}


def commands_of_the_page(place: str) -> list[list[str]]:
    """The words of each `script/manage backup` in a block of docs/operate/backup.md, in its order."""
    found = [
        command.words[1:]
        for command in book.commands_of(book.FOLDER / "backup.md")
        if command.program == "script/manage"
    ]
    return [[place if word == "/srv/backups" else word for word in words] for words in found]


def killed_after(env: dict[str, str], seconds: float) -> None:
    """Begin a backup and kill it."""
    words = [sys.executable, "manage.py", "backup", "create"]
    with subprocess.Popen(words, env=env, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        pause(seconds)
        process.kill()


def elsewhere(bazaar: LiveBazaar, folder: Path, *, database_url: str = "") -> dict[str, str]:
    """The environment of another machine: nothing of the first but the key of its backups."""
    env = {name: text for name, text in bazaar.env.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return {**env, "BAZAAR_DATA_DIR": str(folder), **({"DATABASE_URL": database_url} if database_url else {})}


def restored(bazaar: LiveBazaar, folder: Path, restore: list[str], repo: str, before: Acknowledged) -> None:
    """Restore the newest backup into a folder, which must hold all that was acknowledged before it."""
    with closing(Remote(elsewhere(bazaar, folder))) as there:
        assert "Everything checked is right." in there.command(*restore)
        require_all(there, repo, before)
    print(f"\nrestored: {len(before.commits)} commits, {len(before.orders)} orders")  # noqa: T201
    shutil.rmtree(folder)


def require_all(there: Remote, repo: str, before: Acknowledged) -> None:
    """Everything that was acknowledged is there, and everything that is there is whole."""
    found = there.call(f"{LOOKING}:commits", repo)
    assert set(before.commits) <= set(found["commits"])
    assert set(before.oids) <= set(found["oids"])
    assert found["heads"][0] == found["heads"][1]
    assert set(found["oids"]) <= set(there.call(f"{LOOKING}:whole_oids", repo))
    assert set(before.orders) <= set(there.call(f"{LOOKING}:orders"))
    assert there.call(f"{LOOKING}:market") == {"findings": [], "stopped": True}


class TestBackup:
    def test_of_a_hub_at_work_restores_whatever_was_killed(
        self, make_bazaar: Callable[..., LiveBazaar], tmp_path: Path
    ) -> None:
        chance = random.Random(SEED)
        place = str(tmp_path / "to")
        create, listed, verify, prune, restore, _ = commands_of_the_page(place)
        bazaar = make_bazaar(**SMALL_THRESHOLD, BAZAAR_BACKUP_KEY=KEY, BAZAAR_BACKUP_TO=place)
        writers = Writers(bazaar)
        with writers.at_work() as acknowledged:
            began = time.monotonic()
            bazaar.manage(*create)
            usual_seconds = time.monotonic() - began
            for number in range(KILLS):
                # Python and Django take a while to load before anything is stored.
                killed_after(bazaar.env, chance.uniform(1, 3) + chance.uniform(0, usual_seconds))
                if (number + 1) % RESTORED_EVERY == 0:
                    before = acknowledged.copy()
                    bazaar.manage(*create)
                    restored(bazaar, tmp_path / f"there-{number}", restore, writers.repo, before)
            before = acknowledged.copy()
            bazaar.manage(*create)
            assert before.commits
            assert before.orders
        assert len(bazaar.manage(*listed).splitlines()) >= 3
        assert "backups stay" in bazaar.manage(*prune)
        with closing(Remote(elsewhere(bazaar, tmp_path / "there"))) as there:
            said = there.command(*restore)
            assert "Everything checked is right." in said
            assert "Trading is halted" in said
            require_all(there, writers.repo, before)
            assert (tmp_path / "there" / "secret_key").read_text() == (bazaar.data / "secret_key").read_text()
            assert "files are right" in there.command(*verify)
            with pytest.raises(RemoteError, match="--replace"):
                there.command("backup", "restore")
            assert "before-restore-" in there.command("backup", "restore", "--replace")
            require_all(there, writers.repo, before)

    def test_goes_to_s3_and_comes_back_into_postgresql(
        self, make_bazaar: Callable[..., LiveBazaar], postgres_url: str, s3_store: s3.ObjectStore
    ) -> None:
        name = unique("backups").replace("-", "_")
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
        database_url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        s3.make_bucket(s3_options(s3_store))
        bazaar = make_bazaar(
            database_url=database_url,
            **SMALL_THRESHOLD,
            BAZAAR_BACKUP_TO="s3://backups/hub",
            AWS_ENDPOINT_URL_S3=s3_store.endpoint,
            AWS_ACCESS_KEY_ID=s3_store.access_key,
            AWS_SECRET_ACCESS_KEY=s3_store.secret_key,
        )
        writers = Writers(bazaar)
        for number in range(3):
            writers._commit(number + 1)
        writers._order(1)
        before = writers.acknowledged.copy()
        assert "secret_key" in bazaar.manage("backup", "create")
        writers._commit(4)
        bazaar.stop_web()
        said = bazaar.manage("backup", "restore", "--replace", "--verify")
        assert "Everything checked is right." in said
        require_all(bazaar.remote, writers.repo, before)
        left = bazaar.remote.call(f"{LOOKING}:commits", writers.repo)["commits"]
        assert writers.acknowledged.commits[-1] not in left
        # Rows made now get numbers that no restored row has.
        assert bazaar.user().name


def s3_options(store: s3.ObjectStore) -> S3Options:
    return S3Options("backups", store.endpoint, "", store.region, store.access_key, store.secret_key)
