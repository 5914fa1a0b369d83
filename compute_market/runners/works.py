"""The work on this machine: starts what the hub wants, stops what it does not want, and knows what is over.

The control thread alone calls `Works`, and trouble with one work stays with that work. The thread that sends
output reads tasks, and changes their `sent` and `is_output_sent` only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from compute_market.runners.assignments import LeaseOrder, WorkOrder
from compute_market.runners.base import Job, Runner, RunnerError, Running
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.leftovers import remember
from compute_market.runners.loops import printable, say

STOP_GRACE_S = 10.0
# The end of a work is told after its output, but not later than this.
OUTPUT_GRACE_S = 30.0
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

    def end(self, state: str, *, exit_code: int | None = None, reason: str = "") -> None:
        """Note how it ended; what was noted first stays."""
        if self.ending is None:
            self.ending = {"token": self.token, "state": state, "reason": brief(reason)}
            if exit_code is not None:
                self.ending["exit_code"] = max(-255, min(255, exit_code))
            self.ended_at = boot_seconds()

    @property
    def may_tell_its_end(self) -> bool:
        """Whether its output is sent, or took too long to be."""
        return self.ending is not None and (
            self.is_output_sent or self.running is None or boot_seconds() > self.ended_at + OUTPUT_GRACE_S
        )


class Works:
    """All work on this machine, by the token of each."""

    def __init__(self, *, runners: Sequence[Runner], folder: Path, memory_bytes_max: int = 0) -> None:
        self.runners = {runner.name: runner for runner in runners if runner.is_available()}
        self.folder = folder
        self.memory_bytes_max = memory_bytes_max
        self.tasks: dict[str, Task] = {}

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
        """Notice what ended by itself; stop what is past its end, even if the hub says nothing."""
        for task in self.tasks.values():
            if task.ending is None and boot_seconds() >= task.ends_at:
                self.stop(task, reason="the lease ended")
            if task.ending is None and task.running is not None:
                try:
                    code = task.running.poll()
                except OSError as error:
                    task.end("failed", reason=f"the node could not follow it: {error.strerror}")
                    continue
                if code is not None:
                    task.end("exited", exit_code=code)

    def stop(self, task: Task, *, reason: str, state: str = "stopped") -> None:
        """End a task now; an end of its own that came first is told as such."""
        if task.ending is not None or task.running is None:
            return
        try:
            code = task.running.poll()
            if code is None:
                task.running.stop(STOP_GRACE_S)
                task.end(state, reason=reason)
            else:
                task.end("exited", exit_code=code)
        except OSError as error:
            task.end("failed", reason=f"the node could not stop it: {error.strerror}")

    def forget(self, task: Task) -> None:
        """Remove what is over and was told, with its folder."""
        say(f"{task.token}: is over")
        self.tasks.pop(task.token, None)
        shutil.rmtree(task.folder, ignore_errors=True)

    def _bring_work_in_line(self, lease: LeaseOrder, work: WorkOrder, ends_at: float) -> list[dict[str, Any]]:
        task = self.tasks.get(work.token)
        if task is None:
            task = self._take_on(lease, work, ends_at)
        task.ends_at = ends_at
        if work.stop:
            self.stop(task, reason="its holder stopped it")
        elif task.ending is None and task.running is not None and task.gpus != lease.gpus:
            self._begin_again(task, lease, work)
        if task.ending is None and work.state == "queued":
            return [{"token": task.token, "state": "running"}]
        return []

    def _take_on(self, lease: LeaseOrder, work: WorkOrder, ends_at: float) -> Task:
        task = Task(
            token=work.token, gpus=lease.gpus, folder=self.folder / "work" / work.token, ends_at=ends_at
        )
        self.tasks[work.token] = task
        if work.stop:
            task.end("stopped", reason="it did not run")
        elif work.state != "queued":
            task.end("failed", reason="the agent was restarted")
        else:
            self._start(task, work)
        return task

    def _begin_again(self, task: Task, lease: LeaseOrder, work: WorkOrder) -> None:
        say(f"{task.token}: has GPUs {list(lease.gpus)} now, begins again")
        if task.running is not None:
            task.running.stop(STOP_GRACE_S)
        task.gpus = lease.gpus
        self._start(task, work)

    def _start(self, task: Task, work: WorkOrder) -> None:
        try:
            job = Job(
                name=f"bazaar-{task.token}",
                command=work.command,
                folder=task.folder,
                gpus=task.gpus,
                environment=work.environment,
                image=work.image,
                memory_bytes_max=self.memory_bytes_max,
            )
            task.running = self._runner_for(work.runner, task.gpus).start(job)
            remember(task.folder, task.running)
        except RunnerError as error:
            task.end("failed", reason=str(error))
        except OSError as error:
            task.end("failed", reason=f"the node could not start it: {error.strerror}")
        else:
            say(f"{task.token}: runs {work.command[0]} on GPUs {list(task.gpus)}")

    def _runner_for(self, name: str, gpus: Sequence[int]) -> Runner:
        if name not in self.runners:
            raise RunnerError(f"This agent does not run work as {name}.")
        if not gpus:
            raise RunnerError("The lease has no GPUs right now: they are sold.")
        return self.runners[name]


def brief(reason: str) -> str:
    """A reason as it is told to the hub: printable, and not longer than the hub keeps."""
    return printable(reason)[:REASON_MAX]
