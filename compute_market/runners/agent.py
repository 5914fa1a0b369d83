"""The agent on a provider's node: says what the machine has, that it is there, and runs what leases want.

Once enrolled it asks the hub again and again what should run, and brings the machine in line with the answer:
starts what is missing, stops what is not wanted any more, and stops everything at its end by its own clock if
the hub cannot be reached.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compute_market.runners import devices
from compute_market.runners.base import Job, Runner, RunnerError, Running
from compute_market.runners.container import ContainerRunner, RunningContainer, tell
from compute_market.runners.fake import FakeRunner
from compute_market.runners.hub_link import HubError, HubLink, HubUnreachable
from compute_market.runners.process import ProcessRunner

LOG_PIECE_BYTES = 32 * 1024
STOP_GRACE_S = 10.0
MEMORY_VARIABLE = "BAZAAR_AGENT_MEMORY_BYTES_MAX"


class Task:
    """One piece of work on this machine."""

    def __init__(
        self, *, token: str, running: Running, gpus: list[int], folder: Path, ends_at: float
    ) -> None:
        self.token = token
        self.running = running
        self.gpus = gpus
        self.folder = folder
        self.ends_at = ends_at
        self.sent = 0
        self.ending: dict[str, Any] | None = None


class Agent:
    """Keeps a node in line with what the hub wants of it."""

    def __init__(self, *, link: HubLink, runners: Sequence[Runner], folder: Path) -> None:
        self.link = link
        self.runners = {runner.name: runner for runner in runners if runner.is_available()}
        self.folder = folder
        self.tasks: dict[str, Task] = {}
        self.stopping = False
        self._next_heartbeat = 0.0

    def report(self, *, method: str, found: list[dict[str, Any]]) -> dict[str, Any]:
        """Tell the hub what this machine has."""
        return self.link.call("report", {"method": method, "devices": found, "host": devices.host()})

    def run(self, *, poll_s: float) -> None:
        """Work until told to stop; then stop everything that runs."""
        end_leftovers(self.folder)
        while not self.stopping:
            try:
                self.step()
            except HubUnreachable as error:
                say(f"the hub does not answer: {error}")
                self.end_overdue()
            except HubError as error:
                if error.status in {401, 403}:
                    say(f"the hub does not know this agent any more: {error}")
                    break
                say(f"the hub refused: {error}")
                self.end_overdue()
            time.sleep(poll_s)
        for task in list(self.tasks.values()):
            self._end(task, "failed", "the agent was stopped")
        with contextlib.suppress(HubUnreachable, HubError):
            self._tell_endings()

    def step(self) -> None:
        """One round: be heard, ask what should run, do it, tell what came of it."""
        if time.monotonic() >= self._next_heartbeat:
            answer = self.link.call("heartbeat", {"runners": sorted(self.runners)})
            self._next_heartbeat = time.monotonic() + answer["heartbeat_seconds"]
        leases = self.link.call("poll", {})["leases"]
        events: list[dict[str, Any]] = []
        wanted = set()
        for lease in leases:
            if lease["state"] == "provisioning":
                events.append({"lease": lease["id"], "token": lease["token"], "state": "ready"})
            if lease["work"] is not None:
                wanted.add(lease["work"]["token"])
                events += self._bring_in_line(lease, lease["work"])
        for task in list(self.tasks.values()):
            if task.token not in wanted:
                self._end(task, "stopped", "the lease ended")
        self.end_overdue()
        if events:
            self.link.call("events", {"events": events})
        for task in list(self.tasks.values()):
            self._follow(task)
        self._tell_endings()

    def end_overdue(self) -> None:
        """Stop what is past its end, whatever the hub says or does not say."""
        for task in self.tasks.values():
            if task.ending is None and time.monotonic() >= task.ends_at:
                self._end(task, "stopped", "the lease ended")

    def _bring_in_line(self, lease: dict[str, Any], work: dict[str, Any]) -> list[dict[str, Any]]:
        token, gpus = work["token"], list(lease["gpus"])
        task = self.tasks.get(token)
        if task is not None:
            task.ends_at = time.monotonic() + lease["seconds_left"]
            if work["stop"]:
                self._end(task, "stopped", "its holder stopped it")
            elif task.gpus != gpus and task.ending is None:
                say(f"{token}: has GPUs {gpus} now, begins again")
                task.running.stop(STOP_GRACE_S)
                return self._start(lease, work, gpus, again=task)
            return []
        if work["stop"]:
            return [{"token": token, "state": "stopped", "reason": "it did not run"}]
        if work["state"] == "running":
            return [{"token": token, "state": "failed", "reason": "the agent was restarted"}]
        return self._start(lease, work, gpus)

    def _start(
        self, lease: dict[str, Any], work: dict[str, Any], gpus: list[int], *, again: Task | None = None
    ) -> list[dict[str, Any]]:
        token = work["token"]
        folder = self.folder / "work" / token
        try:
            job = Job(
                name=f"bazaar-{token}",
                command=work["command"],
                folder=folder,
                gpus=gpus,
                environment=work["environment"],
                image=work["image"],
                memory_bytes_max=int(os.environ.get(MEMORY_VARIABLE, "0")),
            )
            running = _runner_for(work["runner"], gpus, self.runners).start(job)
        except RunnerError as error:
            self.tasks.pop(token, None)
            return [{"token": token, "state": "failed", "reason": str(error)}]
        task = Task(
            token=token,
            running=running,
            gpus=gpus,
            folder=folder,
            ends_at=time.monotonic() + lease["seconds_left"],
        )
        if again is not None:
            # The output goes on where the last piece that was sent ended.
            task.sent = again.sent
        self.tasks[token] = task
        remember(folder, running)
        say(f"{token}: runs {work['command'][0]} on GPUs {gpus}")
        return [{"token": token, "state": "running"}]

    def _end(self, task: Task, state: str, reason: str) -> None:
        if task.ending is None:
            code = task.running.poll()
            if code is None:
                task.running.stop(STOP_GRACE_S)
                task.ending = {"token": task.token, "state": state, "reason": reason}
            else:
                task.ending = {"token": task.token, "state": "exited", "exit_code": code}

    def _follow(self, task: Task) -> None:
        code = task.running.poll()
        if code is not None and task.ending is None:
            task.ending = {"token": task.token, "state": "exited", "exit_code": code}
        self._send_log(task)

    def _send_log(self, task: Task) -> None:
        while piece := whole_characters(
            task.running.read(task.sent, LOG_PIECE_BYTES), final=bool(task.ending)
        ):
            body = {
                "token": task.token,
                "offset": task.sent,
                "size": len(piece),
                "text": piece.decode(errors="replace"),
            }
            self.link.call("logs", body)
            task.sent += len(piece)

    def _tell_endings(self) -> None:
        """Tell what is over, after its output; then forget it and its folder."""
        for task in [task for task in self.tasks.values() if task.ending is not None]:
            with contextlib.suppress(HubError):
                self._send_log(task)
            self.link.call("events", {"events": [task.ending]})
            say(f"{task.token}: is over")
            del self.tasks[task.token]
            shutil.rmtree(task.folder, ignore_errors=True)


def _runner_for(name: str, gpus: Sequence[int], runners: dict[str, Runner]) -> Runner:
    if name not in runners:
        raise RunnerError(f"This agent does not run work as {name}.")
    if not gpus:
        raise RunnerError("The lease has no GPUs right now: they are sold.")
    return runners[name]


def whole_characters(piece: bytes, *, final: bool) -> bytes:
    """A piece of output without the start of a character at its end, unless no more will come."""
    if final:
        return piece
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return piece[:-back] if back < length else piece
        if byte < 0x80:
            return piece
    return piece


def remember(folder: Path, running: Running) -> None:
    """Note a process, so that an agent that starts again can end what the one before it left."""
    process = getattr(running, "process", None)
    if process is not None:
        folder.mkdir(parents=True, exist_ok=True)
        note = {"pid": process.pid, "started": process_start(process.pid)}
        if isinstance(running, RunningContainer):
            note |= {"program": running.program, "name": running.name}
        (folder / "process.json").write_text(json.dumps(note))


def end_leftovers(folder: Path) -> None:
    """End what an agent that was killed left running, and clear its folders."""
    for note in sorted((folder / "work").glob("*/process.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            left = json.loads(note.read_text())
            # A number is used again sooner or later; the time of its start tells whose it is.
            if left["started"] is not None and process_start(left["pid"]) == left["started"]:
                os.killpg(left["pid"], signal.SIGKILL)
                say(f"ended process {left['pid']}, left by an agent before")
            # A container outlives the program that started it.
            if "program" in left and tell(left["program"], "rm", "--force", left["name"]):
                say(f"removed container {left['name']}, left by an agent before")
        shutil.rmtree(note.parent, ignore_errors=True)


def process_start(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def say(text: str) -> None:
    sys.stderr.write(f"agent: {text}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and work. Gives the exit code."""
    parser = argparse.ArgumentParser(description="The agent of a node that supplies GPUs to a Model Bazaar.")
    parser.add_argument("--hub", required=True, help="The hub's address, as https://hub.example.org")
    parser.add_argument("--key", help="The one-time enrolment key; only for the first start.")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".bazaar-agent")
    parser.add_argument("--declare", metavar="DEVICE", help="Where no tool can measure: h100-sxm-80g")
    parser.add_argument("--gpus", type=int, default=1, help="How many devices are declared.")
    parser.add_argument(
        "--allow-processes",
        action="store_true",
        help="Run work as plain processes, without a container: only for users you trust.",
    )
    parser.add_argument("--run-as", default="", metavar="USER", help="The user that processes run as.")
    parser.add_argument(
        "--container-device",
        action="append",
        default=[],
        metavar="DEVICE",
        help="A device that containers are given, {gpu} standing for each GPU's index; 'none' for none. "
        "Needed only where the machine has other than NVIDIA, AMD, Hygon or Ascend devices.",
    )
    parser.add_argument("--fake", action="store_true", help="Run nothing and behave as if: for demos.")
    parser.add_argument("--poll-seconds", type=float, default=2.0)
    parser.add_argument("--report-only", action="store_true", help="Enrol, report the hardware, and stop.")
    options = parser.parse_args(arguments)
    given = options.container_device
    runners: list[Runner] = [ContainerRunner(name, devices=given) for name in ("podman", "docker")]
    if options.allow_processes:
        runners.append(ProcessRunner(run_as=options.run_as))
    if options.fake:
        runners.append(FakeRunner())
    options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = HubLink(
        url=options.hub, identity=options.folder / "identity.json", instance=devices.machine_fingerprint()
    )
    agent = Agent(link=link, runners=runners, folder=options.folder)
    try:
        return _work(agent, options)
    except (HubError, HubUnreachable, ValueError) as error:
        say(str(error))
        return 1


def _work(agent: Agent, options: argparse.Namespace) -> int:
    link = agent.link
    if not link.is_enrolled:
        if not options.key:
            say("give the enrolment key for the first start: --key mbe_…")
            return 2
        node = link.enrol(key=options.key, runners=sorted(agent.runners))
        say(f"enrolled as node {node['node']} ({node['name']})")
    method, found = devices.probe()
    if not found:
        method, found = (
            "declared",
            devices.declare(options.declare, gpus=options.gpus) if options.declare else [],
        )
    answer = agent.report(method=method, found=found)
    say(f"{len(found)} devices by {method}: {answer['state']} {answer['reason']}".rstrip())
    if options.report_only:
        return 0 if answer["state"] == "ready" else 1

    def stop(*_: object) -> None:
        agent.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    agent.run(poll_s=options.poll_seconds)
    return 0
