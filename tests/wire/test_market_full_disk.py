"""A machine whose disk is full: the agent's folder and its log are on it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, wait_for

# Room for the files of two works, whose output has four megabytes each, and for a little more.
DISK = "16m"
# Not all tools end with an error when the disk is full, and `yes` has no end of its own.
FILL = "yes > big 2>/dev/null; yes > bigger 2>/dev/null; echo full; exit 6"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "small", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def agent(live_sqlite: LiveBazaar, disk: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(live_sqlite, disk)
    yield agent
    agent.close()


def fill(disk: Path) -> None:
    """Leave not one byte, neither for a new page nor in the last page of the agent's log."""
    for name, piece in (("rest", bytes(4096)), ("log", b".")):
        with (disk / name).open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(piece)


class TestAFullDisk:
    def test_fails_what_would_start_and_nothing_else(self, agent: AgentProcess, disk: Path) -> None:
        """Its own log and its folder are full, too: the agent goes on, also after a restart."""
        agent.start()
        first, second = agent.lease(), agent.lease()
        agent.run(
            first, "/bin/sh", "-c", "echo begun; while [ ! -e go ]; do sleep 0.1; done; echo done; exit 7"
        )
        agent.until(first, lambda seen: "begun" in seen["log"])
        (goes_on,) = agent.folder.glob("work/*/work")

        # The one that fills the disk has its exit code and its last words.
        agent.run(second, "/bin/sh", "-c", f"cd ../../..; {FILL}")
        seen = agent.until(second, lambda seen: seen["work"] not in {"queued", "running"})
        assert (seen["work"], seen["exit_code"]) == ("exited", 6)
        assert seen["log"].endswith("full\n")
        wait_for(lambda: [*goes_on.parent.parent.iterdir()], lambda left: len(left) == 1, agent.log)

        # The next one is not started, and the hub says why.
        fill(disk)
        agent.run(second, "/bin/echo", "never")
        seen = agent.until(second, lambda seen: seen["work"] not in {"queued", "running"})
        assert (seen["work"], seen["log"]) == ("failed", "")
        assert "No space left on device" in seen["reason"]

        # The agent and its other work go on; so do an agent after it, and what that one takes over.
        agent.until_heard_again()
        assert agent.far("node_state", name=agent.node) == "tradable"
        assert agent.process is not None
        assert agent.process.poll() is None
        agent.stop(signal.SIGKILL)
        fill(disk)
        agent.start()
        agent.until_heard_again()
        assert agent.far("look", lease_id=first)["work"] == "running"
        (goes_on / "go").touch()
        seen = agent.until(first, lambda seen: seen["work"] == "exited")
        assert (seen["exit_code"], seen["log"], seen["works"]) == (7, "begun\ndone\n", 1)

        # With room again, works start again.
        for name in ("big", "bigger", "rest"):
            (disk / name).unlink()
        agent.run(second, "/bin/echo", "again")
        seen = agent.until(second, lambda seen: seen["work"] == "exited")
        assert (seen["exit_code"], seen["log"]) == (0, "again\n")
        wait_for(lambda: list((agent.folder / "work").iterdir()), lambda left: not left, agent.log)
