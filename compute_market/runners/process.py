"""Runs a command as a plain process: for pools whose users are trusted. No container stands between.

No shell; a private folder; a session of its own, so that it ends with all its children; resource limits; an
environment that holds nothing of the agent's.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from compute_market.runners.base import Job, RunnerError, visible_devices

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT = "output.log"
OPEN_FILES_MAX = 4096
# A command that writes without end fills its own log, not the disk.
FILE_BYTES_MAX = 64 * 1024**3


class ProcessRunner:
    """See the module. Only for providers that allow it."""

    name = "process"

    def __init__(self, *, run_as: str = "") -> None:
        """`run_as` names another user to run commands as, so that they cannot read the agent's own files."""
        self.run_as = run_as

    def is_available(self) -> bool:
        return os.name == "posix"

    def start(self, job: Job) -> RunningProcess:
        folder = private_folder(job.folder)
        if self.run_as:
            # The way to its work is open to the other user, and nothing else in the folder.
            folder.chmod(0o711)
            shutil.chown(folder / "work", user=self.run_as)
        log = (folder / OUTPUT).open("ab")
        try:
            process = subprocess.Popen(  # noqa: S603 - running the holder's command is the purpose
                list(job.command),
                cwd=folder / "work",
                env=clean_environment(job, home=folder / "work"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
                user=self.run_as or None,
                extra_groups=[] if self.run_as else None,
                preexec_fn=_limits(job),  # noqa: PLW1509 - it only calls setrlimit and umask
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise RunnerError(f"{job.command[0]}: {getattr(error, 'strerror', None) or error}") from None
        finally:
            log.close()
        return RunningProcess(process, folder / OUTPUT)


class RunningProcess:
    """A process and its output file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self.output = output

    def poll(self) -> int | None:
        return self.process.poll()

    def read(self, offset: int, limit: int) -> bytes:
        with self.output.open("rb") as file:
            file.seek(offset)
            return file.read(limit)

    def stop(self, grace_s: float) -> None:
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=grace_s)
        # Its children may outlive it: the whole group goes.
        self._signal(signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + grace_s
        while self._signal(0) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def private_folder(folder: Path) -> Path:
    """The job's folder, for its owner alone, with `work` inside for the command."""
    (folder / "work").mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def clean_environment(job: Job, *, home: Path) -> dict[str, str]:
    """What the command sees: what its holder set, its GPUs, and the least a program needs."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        **job.environment,
        **visible_devices(job.gpus),
    }


def _limits(job: Job) -> Callable[[], None]:
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
    ]
    if job.memory_bytes_max:
        limits.append((resource.RLIMIT_AS, job.memory_bytes_max))
    if job.processes_max:
        limits.append((resource.RLIMIT_NPROC, job.processes_max))

    def apply() -> None:
        os.umask(0o077)
        for kind, value in limits:
            _, most = resource.getrlimit(kind)
            bounded = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (bounded, bounded))

    return apply
