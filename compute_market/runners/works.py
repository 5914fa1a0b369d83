"""The work on this machine: starts what the hub wants, stops what it does not want, and knows what is over.

The control thread alone calls `Works`, and trouble with one work stays with that work. The thread that sends
output reads tasks, and changes their `sent` and `is_output_sent` only.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from compute_market.runners.assignments import LeaseOrder, WorkOrder
from compute_market.runners.base import Ended, Job, Runner, RunnerError, Running
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.loops import printable, say
from compute_market.runners.records import read_deadline, read_state
from compute_market.runners.supervised import Supervised

# Seconds after the grace period (of its runner) after which a work that still runs is killed.
KILL_AFTER_S = 40.0
# The end of a work is reported after its output, but not later than this.
OUTPUT_GRACE_S = 30.0
# A work that was found at a start of the agent runs on so long, at least, until the hub answers.
ADOPTED_S = 60.0
REASON_MAX = 300


class Task:
    """One piece of work on this machine. `ending` is the event that tells its end, once it is over."""

    def __init__(self, *, token: str, gpus: Sequence[int], folder: Path, ends_at: float) -> None:
        self.token = token
        self.gpus = tuple(gpus)
        self.folder = folder
        self.ends_at = ends_at
        self.running: Running | None = None
        self.sent = 0
        self.is_output_sent = False
        self.ending: dict[str, Any] | None = None
        self.ended_at = 0.0
        # The state and reason to report after a requested stop; or that the work must start again.
        self.stopping: tuple[str, str] | None = None
        self.begins_again = False
        self.kill_at = 0.0

    def end(self, state: str, *, exit_code: int | None = None, reason: str = "") -> None:
        """Note how it ended; what was noted first stays."""
        if self.ending is None:
            self.ending = {"token": self.token, "state": state, "reason": brief(reason)}
            if exit_code is not None:
                self.ending["exit_code"] = max(-255, min(255, exit_code))
            self.ended_at = boot_seconds()

    @property
    def may_tell_its_end(self) -> bool:
        """True if its output has been sent, or sending took too long."""
        return self.ending is not None and (
            self.is_output_sent or self.running is None or boot_seconds() > self.ended_at + OUTPUT_GRACE_S
        )


class Works:
    """All work on this machine, by the token of each."""

    def __init__(self, *, runners: Sequence[Runner], folder: Path, memory_bytes_max: int = 0) -> None:
        self.runners = {runner.name: runner for runner in runners if runner.is_available()}
        self.folder = folder / "work"
        self.memory_bytes_max = memory_bytes_max
        self.tasks: dict[str, Task] = {}

    def adopt(self) -> None:
        """Take over the work that an agent before this one left: what runs, and what ended untold."""
        for folder in sorted(self.folder.glob("*")) if self.folder.is_dir() else []:
            token = folder.name
            with contextlib.suppress(ValueError):
                if str(uuid.UUID(token)) == token:
                    self._adopt_one(token, folder)

    def bring_in_line(
        self, orders: Iterable[LeaseOrder], *, asked_at: float, is_all: bool
    ) -> list[dict[str, Any]]:
        """Start and stop work by the hub's answer to a question asked at `asked_at`; the events to tell.

        Work that the answer does not name is stopped, unless parts of the answer were not understood.
        """
        events: list[dict[str, Any]] = []
        wanted = set()
        for lease in orders:
            if lease.state == "provisioning":
                events.append({"lease": lease.lease_id, "token": lease.token, "state": "ready"})
            if lease.work is not None:
                wanted.add(lease.work.token)
                events += self._bring_work_in_line(lease, lease.work, asked_at + lease.seconds_left)
        for task in self.tasks.values():
            if is_all and task.token not in wanted:
                self.stop(task, reason="the lease ended")
        return events

    def follow(self) -> None:
        """Notice what ended; stop what is past its end, even if the hub says nothing."""
        now = boot_seconds()
        for task in self.tasks.values():
            if task.ending is None and now >= task.ends_at:
                self.stop(task, reason="the lease ended")
            with self._troubles_of(task):
                if task.ending is None and task.running is not None:
                    self._note_end(task, task.running.poll())
                if task.ending is None and task.stopping and now >= task.kill_at and task.running is not None:
                    task.kill_at = now + KILL_AFTER_S
                    task.running.kill()

    @property
    def wait_to_begin_again(self) -> bool:
        """True if work has ended that must start again; the hub says on which GPUs."""
        return any(
            task.begins_again and task.running is not None and task.running.poll() is not None
            for task in self.tasks.values()
        )

    def stop(self, task: Task, *, reason: str, state: str = "stopped") -> None:
        """Ask a task to end. If it ended by itself before, that end is reported."""
        if task.ending is not None or (task.stopping and not task.begins_again):
            return
        with self._troubles_of(task):
            if task.running is None:
                task.end(state, reason=reason)
            elif (ended := task.running.poll()) is not None:
                self._note_end(task, ended)
            else:
                task.begins_again = False
                self._ask_to_stop(task, state, reason)

    def forget(self, task: Task) -> None:
        """Remove ended works that were reported, with their folders."""
        say(f"{task.token}: is over")
        self.tasks.pop(task.token, None)
        shutil.rmtree(task.folder, ignore_errors=True)

    def _adopt_one(self, token: str, folder: Path) -> None:
        state = read_state(folder)
        if not state and not Supervised(folder).is_alive():
            # Its supervisor never came so far as to start it.
            shutil.rmtree(folder, ignore_errors=True)
            return
        ends_at = read_deadline(folder, boot_seconds() + ADOPTED_S)
        gpus = [gpu for gpu in state.get("gpus", []) if type(gpu) is int]
        task = Task(token=token, gpus=gpus, folder=folder, ends_at=ends_at)
        self.tasks[token] = task
        with self._troubles_of(task):
            runner = self.runners.get(str(state.get("runner")))
            task.running = (runner and runner.adopt(folder, ends_at=ends_at)) or Supervised(folder)
            say(f"{token}: was left by an agent before, goes on")

    def _bring_work_in_line(self, lease: LeaseOrder, work: WorkOrder, ends_at: float) -> list[dict[str, Any]]:
        task = self.tasks.get(work.token)
        if task is None:
            task = self._take_on(lease, work, ends_at)
        task.ends_at = ends_at
        with self._troubles_of(task):
            if task.ending is None and task.running is not None:
                task.running.run_until(ends_at)
                if task.begins_again and task.running.poll() is not None:
                    self._start(task, work, lease.gpus)
        if work.stop:
            self.stop(task, reason="its holder stopped it")
        elif task.ending is None and task.gpus != lease.gpus and not task.stopping:
            say(f"{task.token}: has GPUs {list(lease.gpus)} now, begins again")
            with self._troubles_of(task):
                task.begins_again = True
                self._ask_to_stop(task, "failed", "it could not begin again on other GPUs")
        if work.state == "queued" and task.ending is None and task.running and task.running.has_begun():
            return [{"token": task.token, "state": "running"}]
        return []

    def _take_on(self, lease: LeaseOrder, work: WorkOrder, ends_at: float) -> Task:
        task = Task(token=work.token, gpus=lease.gpus, folder=self.folder / work.token, ends_at=ends_at)
        self.tasks[work.token] = task
        if work.stop:
            task.end("stopped", reason="it did not run")
        elif work.state != "queued":
            task.end("failed", reason="the node has lost it")
        else:
            self._start(task, work, lease.gpus)
        return task

    def _start(self, task: Task, work: WorkOrder, gpus: Sequence[int]) -> None:
        task.stopping, task.begins_again, task.gpus = None, False, tuple(gpus)
        with self._troubles_of(task):
            runner = self._runner_for(work.runner, task.gpus)
            task.running = runner.start(self.job_of(task, work), ends_at=task.ends_at)
            say(f"{task.token}: starts {work.command[0]} on GPUs {list(task.gpus)}")

    def job_of(self, task: Task, work: WorkOrder) -> Job:
        """The runner's input for a work."""
        return Job(
            name=f"bazaar-{task.token}",
            command=work.command,
            folder=task.folder,
            gpus=task.gpus,
            environment=work.environment,
            image=work.image,
            memory_bytes_max=self.memory_bytes_max,
            ports=[served.port for served in work.serves if served.port],
        )

    def _ask_to_stop(self, task: Task, state: str, reason: str) -> None:
        task.stopping = (state, reason)
        task.kill_at = boot_seconds() + KILL_AFTER_S
        if task.running is not None:
            task.running.stop()

    def _note_end(self, task: Task, ended: Ended | None) -> None:
        if ended is None or task.begins_again:
            return
        if task.stopping is not None:
            task.end(task.stopping[0], reason=task.stopping[1])
        elif ended.exit_code is None:
            task.end("failed", reason=ended.reason)
        else:
            task.end("exited", exit_code=ended.exit_code, reason=ended.reason)

    @contextlib.contextmanager
    def _troubles_of(self, task: Task) -> Iterator[None]:
        """An error of one work on this machine fails that work, and nothing else."""
        try:
            yield
        except RunnerError as error:
            task.end("failed", reason=str(error))
        except OSError as error:
            say(f"{task.token}: {error}")
            task.end("failed", reason=f"trouble of the node: {error.strerror or error}")
            if task.running is not None:
                with contextlib.suppress(OSError):
                    task.running.kill()

    def _runner_for(self, name: str, gpus: Sequence[int]) -> Runner:
        if name not in self.runners:
            raise RunnerError(f"This agent does not run work as {name}.")
        if not gpus:
            raise RunnerError("The lease has no GPUs right now: they are sold.")
        return self.runners[name]


def brief(reason: str) -> str:
    """A reason as it is reported to the hub: printable, and no longer than the hub stores."""
    return printable(reason)[:REASON_MAX]
