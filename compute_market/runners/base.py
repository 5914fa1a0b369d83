"""What it takes to run work on a node. Pure Python, standard library only: agents use it.

A runner starts one command and tells how it goes. It knows nothing of leases, orders or money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Running(Protocol):
    """A command that was started."""

    def poll(self) -> int | None:
        """The exit code, or None while it runs. A signal's death is its negative number."""

    def read(self, offset: int, limit: int) -> bytes:
        """Output (both streams, as they came) from a byte on; empty if there is no more yet."""

    def stop(self, grace_s: float) -> None:
        """Ask it to end; after `grace_s` seconds end it. Returns when it and its children are gone."""


class Runner(Protocol):
    """A way to run commands on this machine."""

    name: str

    def is_available(self) -> bool:
        """Whether this machine has what the runner needs."""

    def start(self, job: Job) -> Running:
        """Start a command. Raises: RunnerError when it cannot even be started."""


class RunnerError(Exception):
    """The command could not be started, with a reason that its owner may read."""


def visible_devices(gpus: Sequence[int]) -> dict[str, str]:
    """The variables by which the vendors' libraries are told which GPUs they have."""
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
