"""The agent as a real process against a live server, its tenants, its clock, and what kills it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.agent import agent_file
from tests.servers.live import LiveBazaar
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
FAR = "tests.wire.market_supply"
# As root, the agent needs `--run-as`: the user of its processes.
RUN_AS = ("--run-as", "root") if os.geteuid() == 0 else ()
# Runs the agent with a wall clock that is as many seconds ahead as a file says, at every look.
STEPPING = """
import pathlib, runpy, sys, time
real, ahead = time.time, pathlib.Path(sys.argv[1])
time.time = lambda: real() + float(ahead.read_text())
time.time_ns = lambda: int(time.time() * 10**9)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class AgentProcess:
    """One machine with an agent on it."""

    def __init__(self, bazaar: LiveBazaar, folder: Path) -> None:
        self.bazaar = bazaar
        self.folder = folder
        permit = self.far("enrolment_key", gpus=2)
        self.key, self.node = permit["key"], permit["name"]
        self.process: subprocess.Popen[bytes] | None = None
        # The hub's address as the machine knows it, and words before the program: a machine may be elsewhere.
        self.hub = bazaar.url
        self.prefix: list[str] = []
        # Further options that the machine's operator gives each agent.
        self.options: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def far(self, function: str, **arguments: Any) -> Any:
        return self.bazaar.remote.call(f"{FAR}:{function}", **arguments)

    def start(
        self,
        *options: str,
        declare: str = "h100-sxm-80g",
        program: tuple[str, ...] = (),
        poll: tuple[str, ...] = ("--poll-seconds", "0.2"),
    ) -> None:
        """The secret in its environment must never reach what it runs."""
        words = [
            *("--hub", self.hub, "--key", self.key, "--folder", str(self.folder)),
            *("--declare", declare, "--gpus", "2", "--allow-processes"),
            *(*RUN_AS, *poll, *self.options, *options),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, *program, str(agent_file()), *words],
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "AGENT_SECRET": "swordfish"},
                stderr=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def lease(self, *, gpus: int = 1) -> int:
        """A lease that is active."""
        wait_for(lambda: self.far("node_state", name=self.node), lambda s: s == "tradable", self.log)
        lease: int = self.far("lease", node=self.node, gpus=gpus)
        self.until(lease, lambda seen: seen["state"] == "active")
        return lease

    def run(self, lease: int, *command: str, **environment: str) -> None:
        self.far("run", lease_id=lease, command=command, environment=environment)

    def until(self, lease: int, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen: dict[str, Any] = wait_for(lambda: self.far("look", lease_id=lease), condition, self.log)
        return seen

    def until_heard_again(self) -> None:
        """Until the hub accepted another request."""
        before = self.far("heard", name=self.node)
        wait_for(lambda: self.far("heard", name=self.node), lambda now: now > before, self.log)

    def close(self) -> None:
        """Nothing of a test lives on: neither the agent nor what it left running."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for state in self.folder.glob("work/*/state"):
            if pid := re.search(r'"pid": (\d+)', state.read_text()):
                stop_supervisor(int(pid[1]), state.parent)


def stop_supervisor(pid: int, folder: Path) -> None:
    """End a supervisor, if the process of that number is the one of this folder."""
    try:
        if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        pass


def wait_for(look: Callable[[], Any], condition: Callable[[Any], bool], log: Path) -> Any:
    found = until(
        lambda: [seen] if condition(seen := look()) else [],
        what=lambda: f"{str(look())[-2000:]}\n{log.read_text()[-5000:]}",
        pause_s=0.1,
    )
    return found[0]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.fixture
def agent(live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(live_sqlite, tmp_path)
    yield agent
    agent.close()


class TestAgent:
    def test_carries_a_lease_from_enrolment_to_settlement(
        self, live_bazaar: LiveBazaar, tmp_path: Path
    ) -> None:
        agent = AgentProcess(live_bazaar, tmp_path / "agent")
        (tmp_path / "agent").mkdir()
        with contextlib.closing(agent):
            self.carry(agent)

    def carry(self, agent: AgentProcess) -> None:
        agent.start()
        lease = agent.lease()
        script = 'echo "GPUs $CUDA_VISIBLE_DEVICES, $EPOCHS epochs, 价格"; env; exit 3'
        agent.run(lease, "/bin/sh", "-c", script, EPOCHS="7")
        seen = agent.until(lease, lambda seen: seen["work"] == "exited")
        assert seen["exit_code"] == 3
        assert seen["log"].startswith("GPUs 0, 7 epochs, 价格\n")
        assert "swordfish" not in seen["log"]

        agent.run(lease, "/bin/sleep", "600")
        agent.until(lease, lambda seen: seen["work"] == "running")
        agent.far("stop", lease_id=lease)
        agent.until(lease, lambda seen: seen["work"] == "stopped")

        assert agent.stop() == 0
        assert agent.far("settle", lease_id=lease) == {"state": "settled", "escrow": 0, "open": 0}
        assert agent.far("audit") == []

    def test_with_other_hardware_than_enrolled_is_not_tradable(self, agent: AgentProcess) -> None:
        agent.start(declare="t4-pcie-16g")
        wait_for(lambda: agent.far("node_state", name=agent.node), lambda s: s == "suspended", agent.log)
        wait_for(agent.log.read_text, lambda text: "declares t4-pcie-16g" in text, agent.log)

    def test_keeps_a_second_one_out_of_its_folder(self, agent: AgentProcess) -> None:
        agent.start()
        lease = agent.lease()
        agent.run(lease, "/bin/sleep", "600")
        agent.until(lease, lambda seen: seen["work"] == "running")
        words = ["--hub", agent.bazaar.url, "--folder", str(agent.folder), "--allow-processes", *RUN_AS]
        second = subprocess.run(
            [sys.executable, str(agent_file()), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode == 1
        assert f"Another agent (process {agent.process and agent.process.pid}) works in" in second.stderr
        assert agent.far("look", lease_id=lease)["work"] == "running"

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root must say as whom processes run.")
    def test_as_root_needs_a_user_for_processes(self, tmp_path: Path) -> None:
        words = ["--hub", "http://localhost:1", "--folder", str(tmp_path / "a"), "--allow-processes"]
        done = subprocess.run(
            [sys.executable, str(agent_file()), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, "--run-as USER" in done.stderr) == (1, True)


class TestWakeups:
    def test_start_and_stop_work_at_once_although_the_agent_seldom_asks(self, agent: AgentProcess) -> None:
        """By itself it would ask each half minute; the median of three is a small part of that."""
        agent.bazaar.start_tunnels()
        agent.start(poll=())
        lease = agent.lease()
        wait_for(agent.log.read_text, lambda text: "can wake this agent" in text, agent.log)
        took = []
        for _ in range(3):
            began = time.monotonic()
            agent.run(lease, "/bin/sleep", "600")
            agent.until(lease, lambda seen: seen["work"] == "running")
            agent.far("stop", lease_id=lease)
            agent.until(lease, lambda seen: seen["work"] == "stopped")
            took.append(time.monotonic() - began)
        assert sorted(took)[1] < 12, took


class TestATenant:
    def test_that_floods_prints_nul_or_has_a_long_name_takes_nothing_from_its_neighbour(
        self, agent: AgentProcess
    ) -> None:
        agent.start()
        loud, quiet = agent.lease(), agent.lease()
        agent.run(quiet, "/bin/sh", "-c", "echo quiet; read x; exit 4")
        # 100 MB at once.
        agent.run(loud, "/bin/sh", "-c", "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last words")
        seen = agent.until(loud, lambda seen: seen["work"] == "exited")
        assert seen["log"].endswith("x\nlast words\n")
        assert len(seen["log"]) < 3_000_000
        # Bytes that are no text.
        agent.run(loud, "/bin/sh", "-c", "printf 'a\\0b\\377\\002\\033[1mc\\n'")
        seen = agent.until(loud, lambda seen: seen["work"] == "exited")
        assert seen["log"] == "a\ufffdb\ufffd\ufffd\x1b[1mc\n"
        # A name that no message can hold.
        agent.run(loud, "/" + "n" * 10_000)
        seen = agent.until(loud, lambda seen: seen["work"] == "failed")
        assert "File name too long" in seen["reason"] or seen["reason"].startswith("/nnn")
        assert agent.far("look", lease_id=quiet)["work"] in {"running", "exited"}
        assert agent.far("node_state", name=agent.node) == "tradable"
        assert agent.process is not None
        assert agent.process.poll() is None

    def test_that_removes_what_the_agent_keeps_of_it_harms_itself_alone(self, agent: AgentProcess) -> None:
        agent.start()
        bad, good = agent.lease(), agent.lease()
        agent.run(good, "/bin/sleep", "600")
        agent.until(good, lambda seen: seen["work"] == "running")
        agent.run(bad, "/bin/sh", "-c", "rm -rf ../output ../state ../lock ..; sleep 1; exit 0")
        agent.until(bad, lambda seen: seen["work"] in {"exited", "failed"})
        agent.run(bad, "/bin/sh", "-c", "echo again; exit 5")
        seen = agent.until(bad, lambda seen: seen["work"] == "exited")
        assert (seen["exit_code"], seen["log"]) == (5, "again\n")
        assert agent.far("look", lease_id=good)["work"] == "running"

    def test_leaves_nothing_behind_that_hides(self, agent: AgentProcess) -> None:
        agent.start()
        lease = agent.lease()
        agent.run(lease, "/bin/sh", "-c", "setsid sh -c 'echo $$; exec sleep 600' & sleep 0.5; exit 0")
        seen = agent.until(lease, lambda seen: seen["work"] == "exited")
        assert not is_alive(int(seen["log"]))


class TestARestart:
    def test_after_a_kill_takes_running_work_over_and_tells_its_real_end(self, agent: AgentProcess) -> None:
        agent.start()
        first, second = agent.lease(), agent.lease()
        script = "echo $$; while [ ! -e go ]; do sleep 0.1; done; echo done; exit 7"
        agent.run(first, "/bin/sh", "-c", script)
        agent.run(second, "/bin/sh", "-c", "echo $$; sleep 1; exit 8")
        left = int(agent.until(first, lambda seen: "\n" in seen["log"])["log"])
        agent.until(second, lambda seen: "\n" in seen["log"])
        agent.stop(signal.SIGKILL)
        wait_for(
            lambda: list(agent.folder.glob("work/*/state")),
            lambda s: any("over" in p.read_text() for p in s),
            agent.log,
        )
        assert is_alive(left)

        agent.start()
        # A work that ended while no agent ran has its exit code.
        assert agent.until(second, lambda seen: seen["work"] == "exited")["exit_code"] == 8
        assert agent.far("look", lease_id=first)["work"] == "running"
        (go,) = agent.folder.glob("work/*/work")
        (go / "go").touch()
        seen = agent.until(first, lambda seen: seen["work"] == "exited")
        assert (seen["exit_code"], seen["log"], seen["works"]) == (7, f"{left}\ndone\n", 1)
        wait_for(lambda: list((agent.folder / "work").iterdir()), lambda left: not left, agent.log)

    def test_for_an_update_leaves_work_running_and_ends_what_the_hub_gave_up_meanwhile(
        self, agent: AgentProcess
    ) -> None:
        agent.start()
        kept, ended = agent.lease(), agent.lease()
        pids = []
        for lease in (kept, ended):
            agent.run(lease, "/bin/sh", "-c", "echo $$; exec sleep 600")
            pids.append(int(agent.until(lease, lambda seen: "\n" in seen["log"])["log"]))
        assert agent.stop() == 0
        assert all(map(is_alive, pids))
        agent.far("stop", lease_id=ended)
        agent.start()
        wait_for(lambda: [is_alive(pid) for pid in pids], lambda alive: alive == [True, False], agent.log)
        agent.stop()
        said = len(agent.log.read_text())
        agent.start("--stop-work")
        wait_for(agent.log.read_text, lambda text: "goes on" in text[said:], agent.log)
        agent.stop()
        assert not is_alive(pids[0])
        seen = agent.until(kept, lambda seen: seen["work"] == "failed")
        assert seen["reason"] == "the agent was stopped"


class TestAClock:
    def test_that_is_wrong_and_steps_disturbs_nothing(self, agent: AgentProcess, tmp_path: Path) -> None:
        ahead = tmp_path / "ahead"
        ahead.write_text("-7200")
        program = tmp_path / "stepping.py"
        program.write_text(STEPPING)
        agent.start(program=(str(program), str(ahead)))
        lease = agent.lease()
        agent.run(lease, "/bin/sh", "-c", "echo begun; while [ ! -e go ]; do sleep 0.1; done; exit 6")
        agent.until(lease, lambda seen: "begun" in seen["log"])
        for step in ("86400000", "-86400000", "30"):
            ahead.write_text(step)
            agent.until_heard_again()
        agent.stop(signal.SIGKILL)
        ahead.write_text("-3600")
        agent.start(program=(str(program), str(ahead)))
        (go,) = agent.folder.glob("work/*/work")
        (go / "go").touch()
        assert agent.until(lease, lambda seen: seen["work"] == "exited")["exit_code"] == 6
