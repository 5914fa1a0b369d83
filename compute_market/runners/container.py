"""Runs a command in a container, by podman or docker, where this machine has one of them that works."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from compute_market.runners.base import Ended, Inside, Job, RunnerError, visible_devices
from compute_market.runners.cpu_slices import CpuSlices
from compute_market.runners.gpu_flags import gpu_flags
from compute_market.runners.process import private_folder
from compute_market.runners.records import read_state
from compute_market.runners.supervised import Supervised, start_supervisor
from compute_market.runners.supervisor import boot_id

PIDS_MAX = 4096
# Data loaders pass batches through shared memory; the engines' own 64 MB are soon full.
SHARED_MEMORY = "8g"
INFO_TIMEOUT_S = 20
REMOVE_TIMEOUT_S = 60
CONTAINER_GRACE_S = 10.0
ENGINE_SLACK_S = 10.0
# A supervisor that is killed is replaced so often for one container.
REPLACED_MAX = 5
# Patterns of the output of `port` and of the name of a container's network.
PUBLISHED = re.compile(r"^127\.0\.0\.1:(\d+)$", re.MULTILINE)
NETWORK = "{{.HostConfig.NetworkMode}}"
# Variables that tell NVIDIA's runtime hook which GPUs to add: only the engine may set them.
HOOK_VARIABLE = "NVIDIA_VISIBLE_DEVICES"
NO_CGROUPS = "--cgroups=disabled"


class ContainerRunner:
    """Podman or docker. Without capabilities, without privileges to gain, its folder mounted at /work."""

    def __init__(
        self,
        program: str,
        *,
        devices: Sequence[str] = (),
        prefix: str = "",
        arguments: str = "",
        grace_s: float = CONTAINER_GRACE_S,
        cpu: CpuSlices | None = None,
    ) -> None:
        """`devices`: what containers are given instead of what the machine shows (`gpu_flags`). `cpu`: the
        parts of this machine that they are given instead of GPUs.

        For machines that need it: `prefix` are words before the engine's program, `arguments` options of each
        new container. Both are split as a shell would, and no shell reads them.
        """
        self.name = program
        self.devices = tuple(devices)
        self.engine = [*shlex.split(prefix), program]
        self.arguments = shlex.split(arguments)
        self.grace_s = grace_s
        self.cpu = cpu
        self._addresses: dict[tuple[str, int], int] = {}

    def is_available(self) -> bool:
        """True if the program exists and its engine answers: a client without its service runs nothing."""
        if shutil.which(self.engine[0]) is None or shutil.which(self.name) is None:
            return False
        return tell(self.engine, "info", timeout_s=INFO_TIMEOUT_S)

    def start(self, job: Job, *, ends_at: float) -> RunningContainer:
        if not job.image or job.image.startswith("-"):
            raise RunnerError("A container needs an image.")
        create = create_words(self.name, job, devices=self.devices, arguments=self.arguments, cpu=self.cpu)
        folder = private_folder(job.folder)
        # Many images name a user of their own, who writes here. The folder around it is closed to all others.
        (folder / "work").chmod(0o777)
        process = self._supervise(folder, name=job.name, gpus=job.gpus, ends_at=ends_at, create=create)
        return RunningContainer(folder, runner=self, process=process)

    def address(self, job: Job, port: int) -> tuple[str, int]:
        """The loopback port at which the engine publishes the container's."""
        known = self._addresses.get((job.name, port))
        if known is None:
            shown = answer(self.engine, "port", job.name, f"{port}/tcp")
            found = PUBLISHED.search(shown)
            if found is None and answer(self.engine, "inspect", "--format", NETWORK, job.name) != "host":
                raise ConnectionRefusedError(f"port {port} is not published yet")
            known = self._addresses[job.name, port] = int(found[1]) if found else port
        return "127.0.0.1", known

    def inside(
        self, job: Job, words: Sequence[str], *, environment: Mapping[str, str], has_terminal: bool
    ) -> Inside:
        """In the container, by its engine's `exec`; the engine's client has the agent's environment."""
        variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        mode = "-it" if has_terminal else "-i"
        start = [*self.engine, "exec", mode, "--workdir", "/work", *variables, job.name]
        return Inside(words=[*start, *words], environment=os.environ)

    def adopt(self, folder: Path, *, ends_at: float) -> RunningContainer | None:
        if not read_state(folder):
            return None
        running = RunningContainer(folder, runner=self)
        running.run_until(ends_at)
        return running

    def resume(
        self, folder: Path, *, name: str, gpus: Sequence[int], ends_at: float
    ) -> subprocess.Popen[bytes]:
        """A supervisor for a container whose own was killed. Raises: RunnerError, OSError."""
        return self._supervise(folder, name=name, gpus=gpus, ends_at=ends_at, create=None)

    def _supervise(
        self, folder: Path, *, name: str, gpus: Sequence[int], ends_at: float, create: Sequence[str] | None
    ) -> subprocess.Popen[bytes]:
        return start_supervisor(
            folder,
            kind="container",
            command={
                "engine": self.engine,
                "name": name,
                "create": list(create or ()),
                "grace_s": self.grace_s,
                "is_adopted": create is None,
            },
            facts={"runner": self.name, "name": name, "gpus": list(gpus)},
            # The engine's own stop comes first.
            grace_s=self.grace_s + ENGINE_SLACK_S,
            ends_at=ends_at,
            environment=os.environ,
        )


class RunningContainer(Supervised):
    """A container with its supervisor. Its exit code is the engine's: 125 for one that could not begin,
    128 and the signal's number for one that a signal ended.
    """

    def __init__(
        self, folder: Path, *, runner: ContainerRunner, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        super().__init__(folder, process=process)
        self.runner = runner
        self._replaced = 0
        self._killed = False

    def kill(self) -> None:
        self._killed = True
        super().kill()

    def clean_up(self) -> None:
        if name := self.state.get("name"):
            tell(self.runner.engine, "kill", str(name), timeout_s=REMOVE_TIMEOUT_S)
            tell(self.runner.engine, "rm", "--force", str(name), timeout_s=REMOVE_TIMEOUT_S)

    def after_loss(self) -> Ended | None:
        """The container does not need its supervisor, so a new one takes over while the machine runs."""
        state = self.state
        if self._killed or self._replaced >= REPLACED_MAX or state.get("boot") != boot_id():
            return super().after_loss()
        self._replaced += 1
        gpus = [gpu for gpu in state.get("gpus", []) if type(gpu) is int]
        with contextlib.suppress(RunnerError):
            self.process = self.runner.resume(
                self.folder, name=str(state["name"]), gpus=gpus, ends_at=self._ends_at
            )
        return None


def answer(engine: Sequence[str], *words: str) -> str:
    """The engine's answer to a query; empty if it has none."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603
            [*engine, *words],
            check=False,
            capture_output=True,
            timeout=INFO_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def tell(engine: Sequence[str], *words: str, timeout_s: float) -> bool:
    """Give the engine an order; whether it was carried out."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603
            [*engine, *words], check=False, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
        return done.returncode == 0
    return False


def create_words(
    program: str,
    job: Job,
    *,
    devices: Sequence[str] = (),
    arguments: Sequence[str] = (),
    cpu: CpuSlices | None = None,
) -> list[str]:
    """The words after the engine that create the container. Every value from the holder is one argument.

    Raises: RunnerError when the machine has no devices that can be given to it.
    """
    command = [
        "create",
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
        # The supervisor keeps the newest output; the engine's own log would grow without end.
        "--log-driver",
        "none",
        # Z: SELinux then labels this folder for the container, which it otherwise keeps from the machine's
        # files.
        "--volume",
        f"{job.folder / 'work'}:/work:Z",
        "--workdir",
        "/work",
    ]
    for port in job.ports:
        # On a free port of the loopback: neighbours on other machines see nothing of it.
        command += ["--publish", f"127.0.0.1::{port}"]
    if cpu is not None:
        # An engine without cgroups can bound nothing, and refuses to be asked.
        command += [] if NO_CGROUPS in arguments else cpu.container_flags(job.gpus)
    elif job.memory_bytes_max:
        command += ["--memory", str(job.memory_bytes_max)]
    if job.gpus and cpu is None:
        command += gpu_flags(program, job.gpus, templates=devices)
    # Inside, the given devices are counted from nought.
    given = range(0 if cpu is not None else len(job.gpus))
    inside = {**visible_devices(given), HOOK_VARIABLE: "void"}
    threads = cpu.environment(job.gpus) if cpu is not None else {}
    for name, value in {**threads, **job.environment, **inside}.items():
        command += ["--env", f"{name}={value}"]
    return [*command, *arguments, job.image, *job.command]
