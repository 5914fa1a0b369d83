"""Parts of a machine's processors and memory, which are let as GPUs are: so many cores and gigabytes each.

`cpu2-x86-4g` is a part of two cores and 4 GB. Parts are numbered from 0, as GPUs are; part 1 of two cores
each has the third and fourth processor that the agent may use.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CPU_PRODUCT = re.compile(r"cpu(\d{1,3})-(x86|arm)-(\d{1,4})g")
ARCHITECTURES = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm", "arm64": "arm"}
# A machine sold as 16 GB shows a little less: firmware and kernel keep some.
MEMORY_SHOWN_PERCENT = 88
GIGABYTE = 1024**3
CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class CpuSlices:
    """The parts of a machine: `product` as `cpu2-x86-4g`, cores and bytes of each part, and the usable
    processors.
    """

    product: str
    cores: int
    memory_bytes: int
    processors: tuple[int, ...]

    def processors_of(self, slices: Sequence[int]) -> list[int]:
        """The processors of some parts, by number."""
        return [cpu for one in slices for cpu in self.processors[one * self.cores : (one + 1) * self.cores]]

    def memory_of(self, slices: Sequence[int]) -> int:
        """The memory of some parts, in bytes."""
        return len(slices) * self.memory_bytes

    def container_flags(self, slices: Sequence[int]) -> list[str]:
        """The options that bound a container to some parts."""
        processors = self.processors_of(slices)
        return [
            *("--cpus", str(len(processors))),
            *("--cpuset-cpus", ",".join(map(str, processors))),
            *("--memory", str(self.memory_of(slices))),
        ]

    def environment(self, slices: Sequence[int]) -> dict[str, str]:
        """Variables that set the number of threads of numeric libraries."""
        return {"OMP_NUM_THREADS": str(len(self.processors_of(slices)))}

    def devices(self, count: int, *, fingerprint: str) -> list[dict[str, Any]]:
        """A report of so many parts of this machine. Raises: ValueError when it has fewer."""
        if count < 1 or count * self.cores > len(self.processors):
            raise ValueError(
                f"{count} parts of {self.product} need {count * self.cores} processors;"
                f" this machine has {len(self.processors)}."
            )
        there = machine_memory_bytes()
        if count * self.memory_bytes * MEMORY_SHOWN_PERCENT > there * 100:
            raise ValueError(
                f"{count} parts of {self.product} need {count * self.memory_bytes // GIGABYTE} GB of memory;"
                f" this machine has {there / GIGABYTE:.1f} GB."
            )
        return [
            {
                "index": index,
                "model": f"{self.product} {processor_name()}"[:120].strip(),
                "memory_mb": self.memory_bytes // 1024**2,
                "driver": "",
                "uuid": f"CPU-{fingerprint[:24]}-{index}",
            }
            for index in range(count)
        ]


def cpu_slices(product: str) -> CpuSlices:
    """The cut of this machine into parts of a product. Raises: ValueError for another kind of machine."""
    found = CPU_PRODUCT.fullmatch(product)
    if found is None or int(found[1]) == 0 or int(found[3]) == 0:
        raise ValueError(f"{product!r} is no part of a CPU like cpu2-x86-4g.")
    if found[2] != architecture():
        raise ValueError(f"{product} is for {found[2]}, and this machine is {architecture()}.")
    return CpuSlices(product, int(found[1]), int(found[3]) * GIGABYTE, usable_processors())


def architecture() -> str:
    """`x86`, `arm`, or what the system calls it."""
    machine = platform.machine().lower()
    return ARCHITECTURES.get(machine, machine)


def usable_processors() -> tuple[int, ...]:
    """The processors that this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def machine_memory_bytes() -> int:
    """The memory of this machine, or of the container that this runs in if that is less."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        there = min(there, int(CGROUP_MEMORY.read_text()))
    return there


def processor_name() -> str:
    """The model name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
