"""Runs a command in a container, by podman or docker, where this machine has one of them that works."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compute_market.runners.base import Job, RunnerError, visible_devices
from compute_market.runners.gpu_flags import gpu_flags
from compute_market.runners.process import OUTPUT, private_folder

PIDS_MAX = 4096
# Data loaders pass batches through shared memory; the engines' own 64 MB are soon full.
SHARED_MEMORY = "8g"
STOP_TIMEOUT_S = 30
INFO_TIMEOUT_S = 20
# What tells NVIDIA's runtime hook which GPUs to add: nobody but the engine may say it.
HOOK_VARIABLE = "NVIDIA_VISIBLE_DEVICES"


class ContainerRunner:
    """Podman or docker. Without capabilities, without privileges to gain, its folder mounted at /work."""

    def __init__(self, program: str, *, devices: Sequence[str] = ()) -> None:
        """`devices`: what containers are given instead of what the machine shows (`gpu_flags`)."""
        self.name = program
        self.devices = tuple(devices)

    def is_available(self) -> bool:
        """Whether the program is there and its engine answers: a client without its service runs nothing."""
        if shutil.which(self.name) is None:
            return False
        return tell(self.name, "info", timeout_s=INFO_TIMEOUT_S)

    def start(self, job: Job) -> RunningContainer:
        if not job.image or job.image.startswith("-"):
            raise RunnerError("A container needs an image.")
        command = container_command(self.name, job, devices=self.devices)
        # Where the same work begins again, or an agent died, its last container may still be there.
        tell(self.name, "rm", "--force", job.name)
        folder = private_folder(job.folder)
        with (folder / OUTPUT).open("ab") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - running the holder's command is the purpose
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise RunnerError(f"{self.name}: {error.strerror}") from None
        return RunningContainer(self.name, job.name, process, folder / OUTPUT)


class RunningContainer:
    """A container, by the name it was given. Its exit code is the engine's: 125 for one that could not begin,
    128 and the signal's number for one that a signal ended.
    """

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
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Refused while the image is still being fetched: then the client is all there is to end.
            if self.poll() is None and tell(self.program, "stop", "-t", str(max(1, int(grace_s))), self.name):
                self.process.wait(timeout=STOP_TIMEOUT_S)
        self.process.kill()
        self.process.wait()
        # Whatever became of its client, no container of that name goes on.
        tell(self.program, "rm", "--force", self.name)


def tell(program: str, *arguments: str, timeout_s: float = STOP_TIMEOUT_S * 2) -> bool:
    """Give the engine an order; whether it was carried out."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603
            [program, *arguments], check=False, capture_output=True, timeout=timeout_s
        )
        return done.returncode == 0
    return False


def container_command(program: str, job: Job, *, devices: Sequence[str] = ()) -> Sequence[str]:
    """The command line that starts the container. Every value of the holder's is an argument of its own.

    Raises: RunnerError when the machine has no devices that can be given to it.
    """
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
        "--shm-size",
        SHARED_MEMORY,
        # Z: where SELinux keeps containers from the machine's files, this folder is theirs.
        "--volume",
        f"{job.folder / 'work'}:/work:Z",
        "--workdir",
        "/work",
    ]
    if job.memory_bytes_max:
        command += ["--memory", str(job.memory_bytes_max)]
    if job.gpus:
        command += gpu_flags(program, job.gpus, templates=devices)
    # Inside, the given devices are counted from nought.
    inside = {**visible_devices(range(len(job.gpus))), HOOK_VARIABLE: "void"}
    for name, value in {**job.environment, **inside}.items():
        command += ["--env", f"{name}={value}"]
    return [*command, job.image, *job.command]
