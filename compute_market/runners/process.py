"""Runs a command as a plain process: for pools whose users are trusted. There is no container.

No shell; a private folder; a session and, where the machine has one to give, a cgroup of its own; resource
limits; no way to gain privileges; an environment that holds nothing of the agent's. It ends with all its
descendants.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from compute_market.runners.base import Inside, Job, RunnerError, visible_devices
from compute_market.runners.cpu_slices import CpuSlices
from compute_market.runners.descendants import Cgroup, end_strays
from compute_market.runners.records import read_state
from compute_market.runners.supervised import Supervised, start_supervisor
from compute_market.runners.supervised_process import join_work

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OPEN_FILES_MAX = 4096
# A user of its own has so many processes and threads at most. (The agent's own user may need more.)
PROCESSES_MAX = 4096
# The largest single file.
FILE_BYTES_MAX = 64 * 1024**3
GRACE_S = 10.0


class ProcessRunner:
    """See the module. Only for providers that allow it."""

    name = "process"

    def __init__(self, *, run_as: str = "", grace_s: float = GRACE_S, cpu: CpuSlices | None = None) -> None:
        """`run_as` names another user to run commands as, so that they cannot read the agent's own files.

        `cpu`: the parts of this machine that jobs are given instead of GPUs.
        """
        self.cpu = cpu
        self.run_as = run_as
        self.grace_s = grace_s

    def is_available(self) -> bool:
        return os.name == "posix"

    def start(self, job: Job, *, ends_at: float) -> RunningProcess:
        folder = private_folder(job.folder)
        if self.run_as:
            # The way to its work is open to the other user, and nothing else in the folder.
            folder.chmod(0o711)
            try:
                shutil.chown(folder / "work", user=self.run_as)
            except LookupError:
                raise RunnerError(f"The node has no user {self.run_as}.") from None
        command: dict[str, Any] = {
            "words": list(job.command),
            "environment": self._environment(job, home=folder / "work"),
            "run_as": self.run_as,
            "limits": self._limits(job),
            "processors": self.cpu.processors_of(job.gpus) if self.cpu else [],
            "group": job.name,
            "group_limits": {
                "pids.max": job.processes_max or PROCESSES_MAX,
                **({"memory.max": memory} if (memory := self._memory(job)) else {}),
            },
        }
        process = start_supervisor(
            folder,
            kind="process",
            command=command,
            facts={"runner": self.name, "name": job.name, "gpus": list(job.gpus)},
            grace_s=self.grace_s,
            ends_at=ends_at,
            environment={"PATH": PATH, "LC_ALL": "C.UTF-8"},
        )
        return RunningProcess(folder, process=process)

    def address(self, job: Job, port: int) -> tuple[str, int]:
        """Processes share this machine's loopback: a port is the machine's."""
        return "127.0.0.1", port

    def inside(
        self, job: Job, words: Sequence[str], *, environment: Mapping[str, str], has_terminal: bool
    ) -> Inside:
        """The work's own user, folder, environment, limits and cgroup, so that it ends with the work."""
        home = job.folder / "work"
        processors = self.cpu.processors_of(job.gpus) if self.cpu else []
        return Inside(
            words=words,
            environment={**self._environment(job, home=home), **environment},
            folder=home,
            before=partial(join_work, job.name, self._limits(job), self.run_as, processors),
        )

    def adopt(self, folder: Path, *, ends_at: float) -> RunningProcess | None:
        return RunningProcess(folder) if read_state(folder) else None

    def _environment(self, job: Job, *, home: Path) -> Mapping[str, str]:
        if self.cpu is None:
            return clean_environment(job, home=home)
        # The machine may have GPUs as well; they are not let with its processors.
        without = replace(job, gpus=())
        return {**self.cpu.environment(job.gpus), **clean_environment(without, home=home)}

    def _memory(self, job: Job) -> int:
        """The memory limit of the work and its children together, in bytes; 0: no limit."""
        return job.memory_bytes_max or (self.cpu.memory_of(job.gpus) if self.cpu else 0)

    def _limits(self, job: Job) -> dict[str, int]:
        limits = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": OPEN_FILES_MAX, "RLIMIT_FSIZE": FILE_BYTES_MAX}
        if job.memory_bytes_max:
            limits["RLIMIT_AS"] = job.memory_bytes_max
        processes_max = job.processes_max or (PROCESSES_MAX if self.run_as not in {"", "root"} else 0)
        if processes_max:
            limits["RLIMIT_NPROC"] = processes_max
        return limits


class RunningProcess(Supervised):
    """A process with its supervisor."""

    def clean_up(self) -> None:
        if name := self.state.get("name"):
            cgroup = Cgroup.make(str(name).replace("/", "_"))
            if cgroup is not None:
                cgroup.end(timeout_s=5.0, reap=lambda: None)
        end_strays(self.folder)


def private_folder(folder: Path) -> Path:
    """The job's folder, for its owner alone, with `work` inside for the command. Raises: OSError."""
    (folder / "work").mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def clean_environment(job: Job, *, home: Path) -> Mapping[str, str]:
    """The command's environment: its holder's variables, its GPUs, and the least that programs need."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        **job.environment,
        **visible_devices(job.gpus),
    }
