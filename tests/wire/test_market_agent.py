"""`script/agent` as a real process against a live server: enrol, take a lease up, run, stop, come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.live import LiveBazaar

ROOT = Path(__file__).resolve().parents[2]
FAR = "tests.wire.market_supply"


class AgentProcess:
    """One machine with an agent on it."""

    def __init__(self, bazaar: LiveBazaar, folder: Path) -> None:
        self.bazaar = bazaar
        self.folder = folder
        permit = self.far("enrolment_key", gpus=2)
        self.key, self.node = permit["key"], permit["name"]
        self.process: subprocess.Popen[bytes] | None = None

    def far(self, function: str, **arguments: Any) -> Any:
        return self.bazaar.remote.call(f"{FAR}:{function}", **arguments)

    def start(self, *, declare: str = "h100-sxm-80g") -> None:
        """The secret in its environment must never reach what it runs."""
        words = [
            *("--hub", self.bazaar.url, "--key", self.key, "--folder", str(self.folder)),
            *("--declare", declare, "--gpus", "2", "--allow-processes", "--poll-seconds", "0.2"),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "script" / "agent"), *words],
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "AGENT_SECRET": "swordfish"},
                stderr=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def until(self, lease: int, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen: dict[str, Any] = wait_for(
            lambda: self.far("look", lease_id=lease), condition, self.folder / "log"
        )
        return seen


def wait_for(look: Callable[[], Any], condition: Callable[[Any], bool], log: Path) -> Any:
    deadline = time.monotonic() + 40
    while not condition(seen := look()):
        assert time.monotonic() < deadline, f"{seen}\n{log.read_text()}"
        time.sleep(0.1)
    return seen


@pytest.fixture
def agent(live_bazaar: LiveBazaar, tmp_path: Path) -> Iterator[AgentProcess]:
    folder = tmp_path / "agent"
    folder.mkdir()
    agent = AgentProcess(live_bazaar, folder)
    yield agent
    if agent.process is not None and agent.process.poll() is None:
        agent.process.kill()
        agent.process.wait()


class TestAgent:
    def test_carries_a_lease_from_enrolment_to_settlement(self, agent: AgentProcess) -> None:
        agent.start()
        log = agent.folder / "log"
        wait_for(lambda: agent.far("node_state", name=agent.node), lambda s: s == "tradable", log)

        lease = agent.far("lease", node=agent.node, gpus=1)
        agent.until(lease, lambda seen: seen["state"] == "active")
        script = 'echo "GPUs $CUDA_VISIBLE_DEVICES, $EPOCHS epochs, 价格"; env; exit 3'
        agent.far("run", lease_id=lease, command=["/bin/sh", "-c", script], environment={"EPOCHS": "7"})
        seen = agent.until(lease, lambda seen: seen["work"] == "exited")
        assert seen["exit_code"] == 3
        assert seen["log"].startswith("GPUs 0, 7 epochs, 价格\n")
        assert "swordfish" not in seen["log"]

        agent.far("run", lease_id=lease, command=["/bin/sleep", "600"], environment={})
        agent.until(lease, lambda seen: seen["work"] == "running")
        agent.far("stop", lease_id=lease)
        agent.until(lease, lambda seen: seen["work"] == "stopped")

        assert agent.stop() == 0
        assert agent.far("settle", lease_id=lease) == {"state": "settled", "escrow": 0, "open": 0}
        assert agent.far("audit") == []

    def test_that_was_killed_ends_what_it_left_and_says_so(self, agent: AgentProcess) -> None:
        agent.start()
        log = agent.folder / "log"
        wait_for(lambda: agent.far("node_state", name=agent.node), lambda s: s == "tradable", log)
        lease = agent.far("lease", node=agent.node, gpus=2)
        agent.until(lease, lambda seen: seen["state"] == "active")
        agent.far("run", lease_id=lease, command=["/bin/sh", "-c", "echo $$; sleep 600"], environment={})
        seen = agent.until(lease, lambda seen: "\n" in seen["log"])
        left = int(seen["log"])
        agent.stop(signal.SIGKILL)
        assert Path(f"/proc/{left}").exists()

        agent.start()
        seen = agent.until(lease, lambda seen: seen["work"] == "failed")
        assert seen["reason"] == "the agent was restarted"
        assert not Path(f"/proc/{left}").exists() or "Z" in Path(f"/proc/{left}/stat").read_text()

    def test_with_other_hardware_than_enrolled_is_not_tradable(self, agent: AgentProcess) -> None:
        agent.start(declare="t4-pcie-16g")
        log = agent.folder / "log"
        wait_for(lambda: agent.far("node_state", name=agent.node), lambda s: s == "suspended", log)
        wait_for(log.read_text, lambda text: "declares t4-pcie-16g" in text, log)
