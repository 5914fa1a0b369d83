"""Parts of a CPU: what they are, and that work is kept to its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from compute_market.runners import cpu_slices
from compute_market.runners.base import Job
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.container import create_words
from compute_market.runners.cpu_slices import GIGABYTE, CpuSlices
from compute_market.runners.process import ProcessRunner
from tests.waiting import until

TWO_CORES = CpuSlices("cpu2-x86-4g", 2, 4 * GIGABYTE, (0, 1, 4, 5, 6))


class TestParts:
    def test_have_processors_and_memory_of_their_own(self) -> None:
        assert TWO_CORES.processors_of([0]) == [0, 1]
        assert TWO_CORES.processors_of([1]) == [4, 5]
        assert TWO_CORES.memory_of([0, 1]) == 8 * GIGABYTE

    @pytest.mark.parametrize("name", ["h100-sxm-80g", "cpu0-x86-4g", "cpu2-x86-0g", "cpu2-riscv-4g", ""])
    def test_are_named_by_cores_kind_and_memory(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"is no part|is for"):
            cpu_slices.cpu_slices(name)

    def test_of_another_kind_of_machine_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cpu_slices.platform, "machine", lambda: "aarch64")
        assert cpu_slices.cpu_slices("cpu1-arm-2g").cores == 1
        with pytest.raises(ValueError, match="is for x86"):
            cpu_slices.cpu_slices("cpu1-x86-2g")

    def test_are_reported_only_if_the_machine_has_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cpu_slices, "machine_memory_bytes", lambda: int(7.7 * GIGABYTE))
        found = TWO_CORES.devices(2, fingerprint="f" * 40)
        assert [device["memory_mb"] for device in found] == [4096, 4096]
        assert found[0]["model"].startswith("cpu2-x86-4g")
        assert len({device["uuid"] for device in found}) == 2
        with pytest.raises(ValueError, match="6 processors"):
            TWO_CORES.devices(3, fingerprint="f" * 40)
        monkeypatch.setattr(cpu_slices, "machine_memory_bytes", lambda: 4 * GIGABYTE)
        with pytest.raises(ValueError, match="8 GB of memory"):
            TWO_CORES.devices(2, fingerprint="f" * 40)


class TestContainers:
    def words(self, tmp_path: Path, *arguments: str) -> list[str]:
        job = Job(name="j", command=["true"], folder=tmp_path, gpus=[1], image="debian")
        return create_words("podman", job, arguments=arguments, cpu=TWO_CORES)

    def test_are_bounded_to_their_parts(self, tmp_path: Path) -> None:
        said = " ".join(self.words(tmp_path))
        assert "--cpus 2 --cpuset-cpus 4,5 --memory 4294967296" in said
        assert "OMP_NUM_THREADS=2" in said
        assert "CUDA_VISIBLE_DEVICES= " in said
        assert "--device" not in said

    def test_an_engine_without_cgroups_is_not_asked_for_bounds(self, tmp_path: Path) -> None:
        said = self.words(tmp_path, "--cgroups=disabled")
        assert not {"--cpus", "--memory", "--cpuset-cpus"} & set(said)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system keeps nobody to processors")
def test_a_process_runs_on_its_own_processors(tmp_path: Path) -> None:
    last = max(os.sched_getaffinity(0))
    cut = CpuSlices("cpu1-x86-1g", 1, 8 * GIGABYTE, tuple(sorted(os.sched_getaffinity(0))))
    program = (
        "import os; print(sorted(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'],"
        " repr(os.environ['CUDA_VISIBLE_DEVICES']))"
    )
    job = Job(
        name=f"cpu-{os.getpid()}",
        command=[sys.executable, "-c", program],
        folder=tmp_path / "job",
        gpus=[len(cut.processors) - 1],
    )
    running = ProcessRunner(cpu=cut).start(job, ends_at=boot_seconds() + 60)
    until(lambda: running.poll() is not None)
    assert running.read(0, 1000)[1].decode().strip() == f"[{last}] 1 ''"
