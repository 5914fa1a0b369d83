"""Two nodes behind nginx are restarted one after the other, and no client notices.

One round here; `script/faults rolling 20` makes as many as you like.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

from tests.servers import ports
from tests.servers.clients import run
from tests.servers.git import make_repository
from tests.servers.live import LiveBazaar, LiveUser, unique
from tests.servers.nodes import Node, front
from tests.servers.remote import ROOT
from tests.waiting import until

ROUNDS = int(os.environ.get("BAZAAR_TEST_ROLLS", "1"))
TIMES = {"BAZAAR_DRAIN_SECONDS": "2", "BAZAAR_GRACEFUL_SECONDS": "60"}
MIB = 1024 * 1024


@pytest.fixture
def nodes(live_postgres: LiveBazaar, tmp_path: Path) -> Iterator[list[Node]]:
    made = [Node(live_postgres, port, tmp_path / f"node-{port}", **TIMES) for port in ports.free_ports(2)]
    try:
        for node in made:
            node.start()
        yield made
    finally:
        for node in made:
            node.kill()


@dataclass
class Load:
    """Clients at work: each step is run again and again in a thread of its own, until one fails."""

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def of(self, *steps: Callable[[int], object]) -> Iterator[None]:
        threads = [threading.Thread(target=self._run, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _run(self, step: Callable[[int], object]) -> None:
        name = step.__name__
        while not self._over.is_set():
            number = self.counts[name] = self.counts.get(name, 0) + 1
            try:
                step(number)
            except Exception as error:  # noqa: BLE001 - the test tells of it
                self.failures.append(f"{name} {number}: {error!r}")
                return

    def goes_on(self) -> None:
        """Wait until every step was run twice more."""
        before = dict(self.counts)
        until(
            lambda: self.failures or all(self.counts[name] >= before[name] + 2 for name in before),
            what=lambda: self.counts,
            patience_s=120,
        )


class Clients:
    """The steps: clients that retry what they can, and one that retries nothing."""

    def __init__(self, bazaar: LiveBazaar, url: str) -> None:
        self.user: LiveUser = bazaar.user()
        self.url = url
        self.api = HfApi(endpoint=url, token=self.user.token)
        self.models = [make_repository(bazaar, self.user) for _ in range(2)]
        self.env = bazaar.client_env(self.user)
        self.folder = Path(self.env["HOME"]) / "clone"
        self.plain = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {self.user.token}"}, timeout=120
        )
        address = url.replace("http://", f"http://{self.user.name}:{self.user.token}@")
        self._git("clone", "-q", f"{address}/{self.models[1]}", self.folder, where=self.folder.parent)

    def commit_and_download(self, number: int) -> None:
        content = random.Random(number).randbytes(100_000)
        self.api.upload_file(path_or_fileobj=content, path_in_repo="weights.bin", repo_id=self.models[0])
        found = hf_hub_download(
            self.models[0], "weights.bin", endpoint=self.url, token=self.user.token,
            cache_dir=Path(self.env["HOME"]) / "cache",
        )  # fmt: skip
        assert Path(found).read_bytes() == content

    def push_and_fetch(self, number: int) -> None:
        (self.folder / "number.txt").write_text(str(number))
        self._git("add", "-A")
        self._git("commit", "-q", "-m", str(number))
        self._git("push", "-q")
        self._git("fetch", "-q")

    def post_without_retry(self, number: int) -> None:
        answer = self.plain.post("/api/repos/create", json={"name": unique("posted"), "type": "model"})
        assert answer.status_code == 200, answer.text
        assert self.plain.get(f"/api/models/{self.models[0]}").status_code == 200

    def _git(self, *words: str | Path, where: Path | None = None) -> None:
        run(["git", *words], env=self.env, cwd=where or self.folder)


@pytest.mark.timeout(600 * ROUNDS)
def test_nodes_are_restarted_one_by_one_and_no_request_fails(
    live_postgres: LiveBazaar, nodes: list[Node], tmp_path: Path
) -> None:
    load = Load()
    with front(nodes, tmp_path / "front") as url:
        clients = Clients(live_postgres, url)
        with load.of(clients.commit_and_download, clients.push_and_fetch, clients.post_without_retry):
            until(lambda: load.failures or len(load.counts) == 3)
            for node in nodes * ROUNDS:
                load.goes_on()
                node.stop()
                load.goes_on()
                node.start()
            load.goes_on()
        clients.plain.close()
    print(f"\n{sum(load.counts.values())} steps {load.counts}, {len(load.failures)} failed")  # noqa: T201
    assert load.failures == []


class TestDrainedNode:
    @pytest.fixture
    def node(self, live_postgres: LiveBazaar, tmp_path: Path) -> Iterator[Node]:
        [port] = ports.free_ports(1)
        made = Node(live_postgres, port, tmp_path / "node")
        yield made
        made.kill()

    def test_serves_on_not_ready_and_lets_a_download_end(self, live_postgres: LiveBazaar, node: Node) -> None:
        # A second signal ends the time in which it serves on.
        node.env.update(BAZAAR_DRAIN_SECONDS="600", BAZAAR_GRACEFUL_SECONDS="600")
        node.start()
        user = live_postgres.user()
        repo = make_repository(live_postgres, user)
        content = random.Random(1).randbytes(24 * MIB)
        api = HfApi(endpoint=node.url, token=user.token)
        api.create_commit(repo, [CommitOperationAdd("big.bin", content)], commit_message="big")
        with httpx.stream("GET", f"{node.url}/{repo}/resolve/main/big.bin", timeout=120) as answer:
            pieces = answer.iter_raw(MIB)
            got = [next(pieces)]
            node.ask_to_stop()
            until(lambda: node.readiness() == 503)
            # It serves who comes, and says that the connection ends.
            served = httpx.get(f"{node.url}/api/models/{repo}", timeout=60)
            assert (served.status_code, served.headers["Connection"]) == (200, "close")
            node.ask_to_stop()
            until(lambda: node.readiness() == 0)
            # Now it refuses new connections, and the download goes on to its end.
            got += pieces
        assert b"".join(got) == content
        assert node.process.wait(120) == 0

    def test_obeys_the_commands_of_the_page_for_operators(self, node: Node, tmp_path: Path) -> None:
        node.env.update(BAZAAR_BACKUP_TO=str(tmp_path / "backups"))
        node.start()
        name = f"The web server at 127.0.0.1:{node.port} (process {node.process.pid})"
        # Command → its answer, and the status of /readyz after it.
        expected = {
            "backup create": ("secret_key", 200),
            "migrate --plan": ("No planned migration operations.", 200),
            "migrate": ("No migrations to apply.", 200),
            "drain": (f"{name} is drained; 0 connections are left.", 503),
            "drain --undo": (f"{name} serves.", 200),
        }
        lines = (ROOT / "docs" / "operate" / "upgrade.md").read_text().splitlines()
        commands = [
            line.removeprefix("script/manage ") for line in lines if line.startswith("script/manage ")
        ]
        assert set(commands) == set(expected)
        for command in commands:
            said, status = expected[command]
            assert said in node.manage(*command.split())
            assert node.readiness() == status

    def test_cuts_a_download_that_takes_too_long_and_the_client_resumes(
        self, live_postgres: LiveBazaar, node: Node
    ) -> None:
        node.env.update(BAZAAR_DRAIN_SECONDS="0", BAZAAR_GRACEFUL_SECONDS="1")
        user = live_postgres.user()
        repo = make_repository(live_postgres, user)
        content = random.Random(2).randbytes(24 * MIB)
        api = HfApi(endpoint=live_postgres.url, token=user.token)
        api.create_commit(repo, [CommitOperationAdd("big.bin", content)], commit_message="big")
        address = f"{node.url}/{repo}/resolve/main/big.bin"
        node.start()
        with httpx.stream("GET", address, timeout=120) as answer:
            pieces = answer.iter_raw(MIB)
            got = next(pieces)
            node.ask_to_stop()
            assert node.process.wait(120) == 0
            with pytest.raises(httpx.TransportError):
                for piece in pieces:
                    got += piece
        assert len(got) < len(content)
        node.start()
        rest = httpx.get(address, headers={"Range": f"bytes={len(got)}-"}, timeout=120)
        assert got + rest.content == content
