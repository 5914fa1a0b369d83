"""Runs a command in a container, by podman or docker, where this machine has one of them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compute_market.runners.base import Job, RunnerError, visible_devices
from compute_market.runners.process import OUTPUT, private_folder

PIDS_MAX = 4096
STOP_TIMEOUT_S = 30


class ContainerRunner:
    """Podman or docker. Without capabilities, without privileges to gain, its folder mounted at /work."""

    def __init__(self, program: str) -> None:
        self.name = program

    def is_available(self) -> bool:
        return shutil.which(self.name) is not None

    def start(self, job: Job) -> RunningContainer:
        if not job.image:
            raise RunnerError("A container needs an image.")
        folder = private_folder(job.folder)
        with (folder / OUTPUT).open("ab") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - running the holder's command is the purpose
                    container_command(self.name, job),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise RunnerError(f"{self.name}: {error.strerror}") from None
        return RunningContainer(self.name, job.name, process, folder / OUTPUT)


class RunningContainer:
    """A container, by the name it was given."""

    def __init__(self, program: str, name: str, process: subprocess.Popen[bytes], output: Path) -> None:
        self.program = program
        self.name = name
        self.process = process
        self.output = output

    def poll(self) -> int | None:
        return self.process.poll()

    def read(self, offset: int, limit: int) -> bytes:
        with self.output.open("rb") as file:
            file.seek(offset)
            return file.read(limit)

    def stop(self, grace_s: float) -> None:
        self._tell("stop", "--time", str(max(1, int(grace_s))), self.name)
        try:
            self.process.wait(timeout=grace_s + STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._tell("kill", self.name)
            self.process.kill()
            self.process.wait()

    def _tell(self, *arguments: str) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603
                [self.program, *arguments], check=False, capture_output=True, timeout=STOP_TIMEOUT_S * 2
            )


def container_command(program: str, job: Job) -> Sequence[str]:
    """The command line that starts the container. Every value of the holder's is an argument of its own."""
    command = [
        program,
        "run",
        "--rm",
        "--name",
        job.name,
        "--cap-drop",
        "all",
        "--security-opt",
        "no-new-privileges",
        "--pids-limit",
        str(job.processes_max or PIDS_MAX),
        "--volume",
        f"{job.folder / 'work'}:/work",
        "--workdir",
        "/work",
    ]
    if job.memory_bytes_max:
        command += ["--memory", str(job.memory_bytes_max)]
    if job.gpus:
        listed = ",".join(str(gpu) for gpu in job.gpus)
        if program == "docker":
            command += ["--gpus", f'"device={listed}"']
        else:
            command += [part for gpu in job.gpus for part in ("--device", f"nvidia.com/gpu={gpu}")]
    # Inside, the given devices are counted from nought.
    inside = visible_devices(range(len(job.gpus)))
    for name, value in {**job.environment, **inside}.items():
        command += ["--env", f"{name}={value}"]
    return [*command, job.image, *job.command]
