"""The interface of runners, which run work on a node. Standard library only, because agents use it.

A runner starts one command and reports its state. It does not know leases, orders or money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One command, the GPUs it may use (device indexes), and the folder that is its own."""

    name: str
    command: Sequence[str]
    folder: Path
    gpus: Sequence[int]
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    memory_bytes_max: int = 0
    processes_max: int = 0
    ports: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a command. `exit_code` is None if it never ran or its end was not observed; `reason` says
    why.

    A process that a signal ended has the signal's negative number; container engines say 128 plus the number.
    """

    exit_code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """A command to run beside a running work: with its permissions, in its folder, in its container.

    `before` is called in the new process, just before it becomes the command.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None
    before: Callable[[], None] | None = None


class Running(Protocol):
    """A command that was started. No method waits for it."""

    def has_begun(self) -> bool:
        """True if the command itself runs or ran; before that, for example, its image is fetched."""

    def poll(self) -> Ended | None:
        """The end of the command, or None while it, or a child of it, runs."""

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        """Output (both streams, as they came) from a byte on, and at which byte it begins.

        That is later than asked for where the output was not kept; empty if there is no more yet.
        """

    def run_until(self, ends_at: float) -> None:
        """The time of its end (`clocks.boot_seconds`), even if it is not stopped."""

    def stop(self) -> None:
        """Ask it to end, with all its children. It is killed after its job's grace."""

    def kill(self) -> None:
        """End it and its children at once, by force."""


class Runner(Protocol):
    """A way to run commands on this machine."""

    name: str

    def is_available(self) -> bool:
        """True if this machine has what the runner needs."""

    def start(self, job: Job, *, ends_at: float) -> Running:
        """Start a command that ends at a time (`clocks.boot_seconds`) at the latest.

        Raises: RunnerError when it cannot even be tried, OSError.
        """

    def address(self, job: Job, port: int) -> tuple[str, int]:
        """The local address of a port of the running command. Raises: OSError while it is not reachable."""

    def inside(
        self, job: Job, words: Sequence[str], *, environment: Mapping[str, str], has_terminal: bool
    ) -> Inside:
        """A command to run beside the running one, with these additional variables. Raises: OSError."""

    def adopt(self, folder: Path, *, ends_at: float) -> Running | None:
        """Take over what an agent before this one started in a folder; None if nothing is known of it."""


class RunnerError(Exception):
    """The command could not be started, with a reason that its owner may read."""


def visible_devices(gpus: Sequence[int]) -> dict[str, str]:
    """The variables that tell the vendors' libraries which GPUs they have."""
    listed = ",".join(str(gpu) for gpu in gpus)
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": listed,
        "NVIDIA_VISIBLE_DEVICES": listed,
        "HIP_VISIBLE_DEVICES": listed,
        "ROCR_VISIBLE_DEVICES": listed,
        "ASCEND_RT_VISIBLE_DEVICES": listed,
        "MUSA_VISIBLE_DEVICES": listed,
        "MLU_VISIBLE_DEVICES": listed,
    }
