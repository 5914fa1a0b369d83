"""The agent's threads against a hub whose answers the test decides: no trouble of one stops another."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compute_market.runners import loops
from compute_market.runners.agent import Agent
from compute_market.runners.base import Ended, Job, RunnerError
from compute_market.runners.command_line import FolderInUse, hold_folder
from compute_market.runners.fake import FakeRunner, FakeRunning
from compute_market.runners.hub_link import HubLink
from compute_market.runners.loops import printable
from tests.compute_market.runners.hub import ScriptedHub

TOKENS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(10)]


class Broken(FakeRunning):
    """A work whose node has trouble with it."""

    def poll(self) -> Ended | None:
        raise OSError(28, "No space left on device")

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        raise OSError(24, "Too many open files")


class TroubledRunner(FakeRunner):
    """The command says what goes wrong."""

    def start(self, job: Job, *, ends_at: float) -> FakeRunning:
        if job.command[0] == "no-disk":
            raise OSError(28, "No space left on device")
        if job.command[0] == "long":
            raise RunnerError("x\x00\x1b" * 5000)
        return Broken(job) if job.command[0] == "broken" else super().start(job, ends_at=ends_at)


def lease(number: int, *command: str, **changes: Any) -> dict[str, Any]:
    work = {"token": TOKENS[number], "state": "queued", "runner": "fake", "image": "", "command": [*command]}
    return {
        "id": number,
        "token": TOKENS[number],
        "state": "active",
        "gpus": [number],
        "seconds_left": 600,
        "work": work | {"environment": {}, "stop": False} | changes,
    }


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub()
    yield hub
    hub.close()


@pytest.fixture
def agent(hub: ScriptedHub, tmp_path: Path) -> Agent:
    link = HubLink(url=hub.url, identity=tmp_path / "identity.json", instance="machine")
    link.identity = {"key": "secret", "key_id": "mbk_1"}
    return Agent(link=link, runners=[TroubledRunner()], folder=tmp_path, poll_s=0.05)


@pytest.fixture
def running(agent: Agent) -> Iterator[Agent]:
    thread = threading.Thread(target=agent.run)
    thread.start()
    yield agent
    agent.ask_to_stop()
    thread.join(timeout=60)
    assert not thread.is_alive()


def told(hub: ScriptedHub, number: int) -> list[str]:
    return [event["state"] for event in hub.events() if event["token"] == TOKENS[number]]


class TestTrouble:
    def test_of_one_work_is_reported_and_stays_with_it(self, hub: ScriptedHub, running: Agent) -> None:
        leases = [
            lease(0, "no-disk"),
            lease(1, "broken"),
            lease(2, "long"),
            lease(3, "wait"),
            lease(4, "fail"),
        ]
        hub.answers["poll"] = lambda _: (200, {"leases": leases})
        hub.wait_for(lambda: all("failed" in told(hub, number) for number in (0, 1, 2)))
        hub.wait_for(lambda: "running" in told(hub, 3) and "exited" in told(hub, 4))
        reasons = {event["token"]: event["reason"] for event in hub.events() if event["state"] == "failed"}
        assert "No space left" in reasons[TOKENS[0]]
        assert "No space left" in reasons[TOKENS[1]]
        assert len(reasons[TOKENS[2]]) == 300
        assert "\x00" not in reasons[TOKENS[2]]

    def test_of_one_answer_is_not_the_others(self, hub: ScriptedHub, running: Agent) -> None:
        hub.answers["poll"] = lambda _: (
            200,
            {"leases": [lease(0, "wait"), {"id": "../.."}, lease(1, "fail")]},
        )
        hub.wait_for(lambda: "running" in told(hub, 0) and "exited" in told(hub, 1))

    def test_with_output_of_one_work_does_not_hold_up_control_or_heartbeats(
        self, hub: ScriptedHub, running: Agent
    ) -> None:
        hub.answers["heartbeat"] = lambda _: (200, {"heartbeat_seconds": 0.1})
        answered = threading.Event()
        hub.answers["logs"] = lambda body: (
            answered.wait(30) and 200,
            {"expected": body["offset"] + body["size"]},
        )
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait")]})
        hub.wait_for(lambda: hub.bodies("logs"))
        heard, asked = len(hub.bodies("heartbeat")), len(hub.bodies("poll"))
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait"), lease(1, "wait")]})
        hub.wait_for(lambda: "running" in told(hub, 1))
        hub.wait_for(lambda: len(hub.bodies("heartbeat")) > heard + 1 and len(hub.bodies("poll")) > asked)
        answered.set()

    def test_with_a_hub_that_answers_nonsense_is_over_when_it_does_not(
        self, hub: ScriptedHub, running: Agent
    ) -> None:
        answers: Iterator[Any] = iter([{"leases": 5}])
        hub.answers["poll"] = lambda _: (200, next(answers, {"leases": [lease(0, "wait")]}))
        hub.wait_for(lambda: "running" in told(hub, 0), timeout_s=60)

    def test_with_refused_output_leaves_that_piece_out(self, hub: ScriptedHub, running: Agent) -> None:
        hub.answers["logs"] = lambda _: (400, {"code": "invalid", "detail": "no"})
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "good")]})
        hub.wait_for(lambda: "exited" in told(hub, 0))


class TestEvents:
    def test_are_sent_until_they_are_acknowledged(self, hub: ScriptedHub, running: Agent) -> None:
        answers: Iterator[Any] = iter([(503, {}), (400, {}), (200, {"results": []})])
        last = hub.answers["events"]
        hub.answers["events"] = lambda body: next(answers, None) or last(body)
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait")]})
        hub.wait_for(lambda: told(hub, 0).count("running") > 3)

    def test_say_running_only_when_it_runs(self, hub: ScriptedHub, agent: Agent, tmp_path: Path) -> None:
        class Fetching(FakeRunning):
            def has_begun(self) -> bool:
                return False

        class SlowRunner(FakeRunner):
            def start(self, job: Job, *, ends_at: float) -> FakeRunning:
                return Fetching(job)

        agent.works.runners["fake"] = SlowRunner()
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait")]})
        agent.round(asks=True)
        agent.round(asks=True)
        assert told(hub, 0) == []

    def test_of_other_gpus_begin_the_work_again(self, hub: ScriptedHub, agent: Agent) -> None:
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait")]})
        agent.round(asks=True)
        moved = lease(0, "wait", state="running") | {"gpus": [5]}
        hub.answers["poll"] = lambda _: (200, {"leases": [moved]})
        agent.round(asks=True)
        agent.round(asks=True)
        runner = agent.works.runners["fake"]
        assert isinstance(runner, FakeRunner)
        assert [list(job.gpus) for job in runner.jobs] == [[0], [5]]
        assert told(hub, 0) == ["running"]


class TestARetiredNode:
    def test_ends_its_agent(self, hub: ScriptedHub, agent: Agent) -> None:
        hub.answers["poll"] = lambda _: (401, {"code": "node_retired", "detail": "The node is retired."})
        agent.run()
        assert agent.is_retired

    def test_is_not_what_another_refusal_means(self, hub: ScriptedHub, running: Agent) -> None:
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait")]})
        hub.wait_for(lambda: "running" in told(hub, 0))
        hub.answers["poll"] = lambda _: (401, {"code": "agent_refused", "detail": "no"})
        asked = len(hub.bodies("poll"))
        hub.wait_for(lambda: len(hub.bodies("poll")) > asked)
        hub.answers["poll"] = lambda _: (200, {"leases": [lease(0, "wait", state="running", stop=True)]})
        hub.wait_for(lambda: "stopped" in told(hub, 0))


class TestALog:
    @pytest.mark.parametrize("is_gone", [False, True], ids=["full disk", "reader is gone"])
    def test_that_cannot_be_written_stops_no_thread(
        self, is_gone: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The step fails, and so does telling of it; the loop goes on with the next step."""
        reader, writer = os.pipe()
        os.close(reader)
        if not is_gone:
            os.close(writer)
            writer = os.open("/dev/full", os.O_WRONLY)
        stopping = threading.Event()
        steps: list[None] = []

        def step() -> float:
            steps.append(None)
            if len(steps) < 3:
                raise OSError(28, "No space left on device")
            stopping.set()
            return 0

        monkeypatch.setattr(loops, "RETRY_S", 0)
        log = os.fdopen(writer, "w")
        monkeypatch.setattr(sys, "stderr", log)
        loop = loops.Loop("control", step, stopping=stopping)
        loop.start()
        loop.join(30)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            log.close()
        assert len(steps) == 3


class TestAFolder:
    def test_is_one_agents(self, tmp_path: Path) -> None:
        with hold_folder(tmp_path), pytest.raises(FolderInUse, match="works in"):
            hold_folder(tmp_path)
        hold_folder(tmp_path).close()

    def test_cannot_be_held_by_another_user_of_the_machine(self, tmp_path: Path) -> None:
        """With `--run-as` the way through the folder is open: who can open the lock can hold it, too."""
        (tmp_path / "agent.lock").touch(mode=0o666)
        hold_folder(tmp_path).close()
        assert stat.S_IMODE((tmp_path / "agent.lock").stat().st_mode) == 0o600
        (tmp_path / "agent.lock").unlink()
        (tmp_path / "agent.lock").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            hold_folder(tmp_path)
        assert not (tmp_path / "elsewhere").exists()


def test_a_line_of_the_log_cannot_be_broken_or_forged() -> None:
    assert printable("a\nb\x1b[2J\u202e\x00c价") == "a\ufffdb\ufffd[2J\ufffd\ufffdc价"
