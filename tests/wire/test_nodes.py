"""Two web nodes on one folder of repositories, while they are killed: acknowledged writes stay, and are seen.

`script/faults nodes` runs it longer, and on two mounts of JuiceFS with default caches where these can be had.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from bazaar.server import redis
from tests.servers.clients import run
from tests.servers.git import WorkingFolder, make_repository
from tests.servers.live import LiveBazaar, LiveUser
from tests.waiting import pause, until

ACKNOWLEDGED = int(os.environ.get("BAZAAR_TEST_NODES", "40"))
SEED = int(os.environ.get("BAZAAR_TEST_SEED", "1"))
SEEDS = (SEED * 100, SEED * 100 + 1)
ON_MOUNTS = os.environ.get("BAZAAR_TEST_MOUNTS") == "juicefs"
# A node is killed after so many acknowledged writes.
KILL_EVERY = max(10, ACKNOWLEDGED // 200)
# Answers that acknowledge nothing: the client sends the same again.
NOT_ACKNOWLEDGED = {409, 412, 429, 500, 502, 503}


@dataclass
class Record:
    """The acknowledged writes of all writers, and reads that were older than one."""

    commits: list[str] = field(default_factory=list)
    pushes: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    unavailable: int = 0
    broken: int = 0
    kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def summary(self) -> str:
        return (
            f"acknowledged: {len(self.commits)} commits, {len(self.pushes)} pushes, {len(self.tags)} tags;"
            f" {self.kills} kills; refused meanwhile: {self.unavailable} by 503, {self.broken} by 500\n"
        )

    @property
    def total(self) -> int:
        return len(self.commits) + len(self.pushes) + len(self.tags)


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[list[Path]]:
    """The folder of repositories as each of two nodes sees it: one local folder, or two mounts."""
    if not ON_MOUNTS:
        (tmp_path / "shared").mkdir()
        yield [tmp_path / "shared"] * 2
        return
    with _mounted(tmp_path) as points:
        yield points


@contextlib.contextmanager
def _mounted(folder: Path) -> Iterator[list[Path]]:
    """Two mounts of one JuiceFS volume, with caches as they are by default."""
    juicefs = Path(sysconfig.get_path("scripts")) / "juicefs"
    metadata, points, mounts = f"sqlite3://{folder}/meta.db", [folder / "mount1", folder / "mount2"], []
    words = ["format", "--storage", "file", "--bucket", f"{folder}/objects/", metadata, "test"]
    subprocess.run([juicefs, *words], check=True, capture_output=True)
    try:
        for number, point in enumerate(points):
            point.mkdir()
            cache = ["--cache-dir", f"{folder}/cache{number}", "--no-usage-report"]
            with (folder / f"mount{number}.log").open("wb") as log:
                mounts.append(
                    subprocess.Popen([juicefs, "mount", *cache, metadata, point], stdout=log, stderr=log)
                )
            until(point.is_mount, what=lambda: "a mount did not appear")
        (points[0] / "git").mkdir()
        yield [point / "git" for point in points]
    finally:
        for point, mount in zip(points, mounts, strict=False):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
            mount.terminate()
            mount.wait(60)


@pytest.fixture
def nodes(shares: list[Path], tmp_path: Path) -> Iterator[list[LiveBazaar]]:
    """Two nodes with one database and one Redis; each has fronts and a data folder of its own."""
    settings = {"BAZAAR_SECRET_KEY": "k" * 64, "BAZAAR_WEB_WORKERS": "1"}
    made: list[LiveBazaar] = []
    with ExitStack() as stack:
        for number, share in enumerate(shares):
            node = LiveBazaar(
                tmp_path / f"node{number}",
                database_url=f"sqlite://{made[0].data}/db.sqlite3" if made else "",
                settings=settings | {"BAZAAR_GIT_FRONT_DIR": str(tmp_path / f"fronts{number}")},
            )
            (node.data / "git").symlink_to(share)
            made.append(node)
            if number == 0:
                stack.enter_context(node)
                settings["REDIS_URL"] = f"unix://{redis.socket_path(node.data)}"
            else:
                stack.callback(node.close)
                node.start_web()
        yield made


class Writers:
    """The actions of several clients at once, each on a branch of its own and all on main."""

    def __init__(self, nodes: list[LiveBazaar], repo_id: str, user: LiveUser) -> None:
        self.nodes, self.repo_id, self.user = nodes, repo_id, user
        self.record = Record()
        self.client = httpx.Client(headers={"Authorization": f"Bearer {user.token}"}, timeout=120)
        # Made before anything is killed.
        self.work = WorkingFolder.clone(nodes[0], repo_id, user)
        for seed in SEEDS:
            assert self._post(nodes[0], f"branch/own-{seed}", {}) is not None

    @property
    def is_done(self) -> bool:
        return self.record.total >= ACKNOWLEDGED

    def commit_by_api(self, seed: int) -> None:
        chance, branch = random.Random(seed), f"own-{seed}"
        number = 0
        while not self.is_done:
            number += 1
            title = f"api {seed} {number}"
            revision = branch if number % 2 else "main"
            here, other = chance.sample(self.nodes, 2)
            oid = self._commit(here, revision, title)
            if oid is None:
                continue
            with self.record.lock:
                self.record.commits.append(title)
            if revision == branch:
                self._require_seen(other, branch, oid)
            if number % 3 == 0:
                tag = f"tag-{seed}-{number}"
                if self._post(here, f"tag/{oid}", {"tag": tag}) is not None:
                    with self.record.lock:
                        self.record.tags[tag] = oid
                    self._require_seen(other, tag, oid)

    def push(self, seed: int) -> None:
        chance, branch = random.Random(seed), f"pushed-{seed}"
        work = self.work
        number = 0
        while not self.is_done:
            number += 1
            here, other = chance.sample(self.nodes, 2)
            head = work.commit(**{f"pushed-{seed}": f"{number}"})
            address = here.git_url(self.repo_id, self.user)
            with contextlib.suppress(AssertionError):
                work.git("push", "-q", address, f"HEAD:refs/heads/{branch}")
                with self.record.lock:
                    self.record.pushes.append(head)
                self._require_seen(other, branch, head)
                self._require_listed(work, other, branch, head)

    def kill(self, seed: int, is_over: Callable[[], bool]) -> None:
        """Kill one node after another, as when the machine goes, and start it again."""
        chance, at = random.Random(seed), KILL_EVERY
        while not (self.is_done or is_over()):
            if self.record.total < at:
                pause(0.05)
                continue
            at += KILL_EVERY
            node = chance.choice(self.nodes)
            kill_web(node)
            node.start_web()
            self.record.kills += 1

    def _commit(self, node: LiveBazaar, revision: str, title: str) -> str | None:
        content = base64.b64encode(title.encode()).decode()
        lines = (
            {"key": "header", "value": {"summary": title}},
            {"key": "file", "value": {"path": f"{title}.txt", "content": content, "encoding": "base64"}},
        )
        answer = self._post(node, f"commit/{revision}", "\n".join(map(json.dumps, lines)))
        return None if answer is None else str(answer["commitOid"])

    def _post(self, node: LiveBazaar, path: str, body: object) -> dict[str, object] | None:
        """The answer; None if the node did not acknowledge."""
        url = f"{node.url}/api/models/{self.repo_id}/{path}"
        given = {"content": body} if isinstance(body, str) else {"json": body}
        try:
            answer = self.client.post(url, **given)
        except httpx.TransportError:
            return None
        if answer.status_code in NOT_ACKNOWLEDGED:
            with self.record.lock:
                self.record.unavailable += answer.status_code == 503
                self.record.broken += answer.status_code == 500
            return None
        assert answer.status_code == 200, answer.text
        return dict(answer.json() or {}) if answer.content else {}

    def _require_seen(self, node: LiveBazaar, revision: str, oid: str) -> None:
        """The other node answers with what was acknowledged, at the first try that it answers."""
        while True:
            try:
                answer = self.client.get(f"{node.url}/api/models/{self.repo_id}/tree/{revision}")
                found = self.client.get(f"{node.url}/api/models/{self.repo_id}/commits/{revision}?limit=1")
            except httpx.TransportError:
                continue
            if {answer.status_code, found.status_code} & {502, 503}:
                continue
            head = found.json()[0]["id"] if found.status_code == 200 else found.status_code
            if head != oid or answer.status_code != 200:
                with self.record.lock:
                    self.record.stale.append(f"{revision}: {oid} sent, {head} read, {answer.status_code}")
            return

    def _require_listed(self, work: WorkingFolder, node: LiveBazaar, branch: str, head: str) -> None:
        listed = work.git("ls-remote", node.git_url(self.repo_id, self.user), branch).out.split()
        if listed[:1] != [head]:
            with self.record.lock:
                self.record.stale.append(f"ls-remote {branch}: {head} acknowledged, {listed[:1]} listed")


def kill_web(node: LiveBazaar) -> None:
    """Kill the web processes of a node by their ids."""
    pid = node.web_pid
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, workers)):
        os.kill(each, signal.SIGKILL)
    assert node._web is not None
    node._web.wait()


class TestTwoNodes:
    def test_lose_nothing_acknowledged_and_show_it_at_once(self, nodes: list[LiveBazaar]) -> None:
        user = nodes[0].user()
        repo_id = make_repository(nodes[0], user)
        writers = Writers(nodes, repo_id, user)
        with contextlib.closing(writers.client), ThreadPoolExecutor(3) as pool:
            tasks = [pool.submit(writers.commit_by_api, seed) for seed in SEEDS]
            tasks.append(pool.submit(writers.push, SEED * 100 + 2))
            # In this thread: a process that a thread starts ends with the thread.
            writers.kill(SEED * 100 + 3, lambda: any(task.done() for task in tasks))
            for task in tasks:
                task.result()
        record = writers.record
        assert record.stale == []
        work = WorkingFolder.clone(nodes[1], repo_id, user)
        listed = work.git("log", "--all", "--format=%H %s").out.splitlines()
        commits = dict(line.split(" ", 1) for line in listed)
        assert set(record.commits) - set(commits.values()) == set()
        assert set(record.pushes) - commits.keys() == set()
        tags = {tag: work.git("rev-parse", f"{tag}^{{commit}}").out.strip() for tag in record.tags}
        assert tags == record.tags
        main = work.git("log", "--format=%s", "origin/main").out.splitlines()
        on_main = {title for title in record.commits if int(title.rsplit(" ", 1)[1]) % 2 == 0}
        assert on_main - set(main) == set()
        assert record.kills > 0
        assert nodes[0].manage("refs", "compare") == ""
        run(["git", "fsck", "--full"], env=work.env, cwd=work.folder)
        sys.stderr.write(record.summary)
