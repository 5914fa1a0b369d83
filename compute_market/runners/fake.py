"""Runs nothing and behaves as if: for demos and tests of what lies around a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compute_market.runners.base import Ended, Inside, Job, RunnerError


@dataclass
class FakeRunner:
    """Remembers its jobs. The command `fail` exits with 1, `wait` runs until stopped, others end well."""

    name: str = "fake"
    jobs: list[Job] = field(default_factory=list)

    def is_available(self) -> bool:
        return True

    def start(self, job: Job, *, ends_at: float) -> FakeRunning:
        if job.command[0] == "missing":
            raise RunnerError("missing: No such file or directory")
        self.jobs.append(job)
        return FakeRunning(job)

    def address(self, job: Job, port: int) -> tuple[str, int]:
        raise ConnectionRefusedError("nothing runs here")

    def inside(
        self, job: Job, words: Sequence[str], *, environment: Mapping[str, str], has_terminal: bool
    ) -> Inside:
        raise ConnectionRefusedError("nothing runs here")

    def adopt(self, folder: Path, *, ends_at: float) -> FakeRunning | None:
        return None


class FakeRunning:
    """A command that has done what it was going to do already."""

    def __init__(self, job: Job) -> None:
        shown = " ".join(job.command)
        self.output = f"GPUs {','.join(map(str, job.gpus))}: {shown}\n".encode()
        self.code = {"wait": None, "fail": 1}.get(job.command[0], 0)

    def has_begun(self) -> bool:
        return True

    def poll(self) -> Ended | None:
        return None if self.code is None else Ended(self.code)

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        return offset, self.output[offset : offset + limit]

    def run_until(self, ends_at: float) -> None:
        pass

    def stop(self) -> None:
        if self.code is None:
            self.code = -15

    def kill(self) -> None:
        self.stop()
