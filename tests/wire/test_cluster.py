"""`script/cluster`: two nodes behind nginx serve one hub, and a part that is killed comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hub.accounts.token_text import new_token_text
from tests.servers import cluster
from tests.servers.cluster import Cluster
from tests.servers.ports import require_tool
from tests.waiting import until


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    require_tool("pgbouncer")
    require_tool("nginx")
    # PgBouncer and PostgreSQL do not run as root, and the folders of pytest are closed to others.
    with TemporaryDirectory(prefix="bazaar-cluster-") as name:
        Path(name).chmod(0o711)
        lines: list[str] = []
        made = Cluster(Path(name), say=lines.append)
        over = threading.Event()
        watching = threading.Thread(target=made.watch, args=(over.is_set,))
        try:
            made.start()
            assert [line.split()[0] for line in lines] == [part.name for part in made.parts]
            watching.start()
            yield made
        finally:
            over.set()
            if watching.ident:
                watching.join()
            made.stop()
            cluster.state_file().unlink(missing_ok=True)


@pytest.mark.timeout(900)
class TestCluster:
    def test_serves_one_hub_from_two_nodes_and_outlives_one(self, running: Cluster) -> None:
        token = new_token_text()
        running.manage(
            "create_user", "olga", "--password=a-long-one-2", "--token", token, "--scopes", "write"
        )
        api = HfApi(endpoint=running.url, token=token)
        api.create_repo("olga/model")
        for number in range(2):
            api.create_commit("olga/model", [self.file(number)], commit_message=str(number))
        for node in cluster.NODES:
            assert httpx.get(f"{running.address(node)}/olga/model/resolve/main/0.txt", timeout=60).text == "0"
        assert cluster.send("kill", "web1") == 0
        killed = running.pids()["web1"]
        for number in range(2, 5):
            api.create_commit("olga/model", [self.file(number)], commit_message=str(number))
        until(lambda: running.pids()["web1"] != killed, patience_s=120)
        until(running.answers("1"), patience_s=120)
        found = httpx.get(f"{running.address('1')}/api/models/olga/model", timeout=60).json()
        assert {f"{number}.txt" for number in range(5)} <= {file["rfilename"] for file in found["siblings"]}

    @staticmethod
    def file(number: int) -> CommitOperationAdd:
        return CommitOperationAdd(f"{number}.txt", str(number).encode())

    def test_names_its_parts(self, running: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        assert cluster.send("pause", "web9") == 2
        assert "There are: postgres, pgbouncer, redis1" in capsys.readouterr().err


def test_without_a_cluster_nothing_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "state_file", lambda: tmp_path / "none.json")
    assert cluster.send("kill", "web1") == 1
    assert "No cluster runs." in capsys.readouterr().err


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_named, **_more: None)
    said = "\n".join(cluster.missing())
    assert "Debian's package pgbouncer" in said
    assert "Debian's package nginx-light" in said
