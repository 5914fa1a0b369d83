"""Containers: what their engines are told, and what becomes of them when things go wrong."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from compute_market.runners import leftovers
from compute_market.runners.base import Job, RunnerError
from compute_market.runners.container import ContainerRunner, RunningContainer, container_command
from compute_market.runners.gpu_flags import gpu_flags


def job(folder: Path, *command: str, **changes: object) -> Job:
    said = {"name": "bazaar-1", "folder": folder / "work" / "one", "gpus": [2, 5], "image": "pytorch:2.9"}
    return Job(**{"command": command, **said, **changes})


def start(folder: Path, *command: str, **changes: object) -> RunningContainer:
    return ContainerRunner("podman", devices=["none"]).start(job(folder, *command, **changes))


def wait(running: RunningContainer) -> int:
    return running.process.wait(timeout=20)


def until_it_runs(state: Path, name: str = "bazaar-1") -> int:
    """The process in the container."""
    deadline = time.monotonic() + 20
    file = state / f"{name}.json"
    while not file.exists() or not file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(json.loads(file.read_text())["pid"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


class TestTheCommandLine:
    def test_gives_every_word_of_the_holder_as_an_argument_of_its_own(self, tmp_path: Path) -> None:
        work = job(tmp_path, "train", "--x; rm", environment={"A": "b c"})
        command = container_command("podman", work, devices=["nvidia.com/gpu={gpu}"])
        assert command[-3:] == ["pytorch:2.9", "train", "--x; rm"]
        assert "A=b c" in command
        assert command[command.index("--cap-drop") + 1] == "all"
        assert "nvidia.com/gpu=2" in command
        assert "CUDA_VISIBLE_DEVICES=0,1" in command

    def test_lets_nobody_ask_the_runtime_for_more_gpus(self, tmp_path: Path) -> None:
        work = job(tmp_path, "train", environment={"NVIDIA_VISIBLE_DEVICES": "all"})
        command = container_command("docker", work, devices=["none"])
        assert [word for word in command if "NVIDIA_VISIBLE_DEVICES" in word] == [
            "NVIDIA_VISIBLE_DEVICES=void"
        ]

    @pytest.mark.parametrize("image", ["", "--privileged"])
    def test_has_an_image_and_not_an_option_in_its_place(
        self, engines: Path, tmp_path: Path, image: str
    ) -> None:
        with pytest.raises(RunnerError, match="needs an image"):
            start(tmp_path, "true", image=image)


class TestGpuFlags:
    def machine(
        self, tmp_path: Path, *files: str, cards: tuple[tuple[int, str], ...] = ()
    ) -> dict[str, Path]:
        """A machine with such device files, and render nodes of such vendors."""
        dev, drm = tmp_path / "dev", tmp_path / "drm"
        dev.mkdir()
        for name in files:
            (dev / name).touch()
        for number, vendor in cards:
            device = drm / f"renderD{number}" / "device"
            device.mkdir(parents=True)
            (device / "vendor").write_text(f"{vendor}\n")
        return {"dev": dev, "drm": drm}

    def test_of_nvidia_are_podmans_and_dockers_own(self, tmp_path: Path) -> None:
        place = self.machine(tmp_path, "nvidiactl")
        assert gpu_flags("podman", [2, 5], **place) == [
            *("--device", "nvidia.com/gpu=2"),
            *("--device", "nvidia.com/gpu=5"),
        ]
        assert gpu_flags("docker", [2, 5], **place) == ["--gpus", '"device=2,5"']

    def test_of_amd_are_the_render_nodes_of_these_gpus_only(self, tmp_path: Path) -> None:
        cards = ((128, "0x1a03"), (129, "0x1002"), (130, "0x1002"), (131, "0x1002"))
        place = self.machine(tmp_path, "kfd", cards=cards)
        dev = place["dev"]
        flags = gpu_flags("docker", [0, 2], **place)
        assert flags[1::2] == [f"{dev}/kfd", f"{dev}/dri/renderD129", f"{dev}/dri/renderD131"]
        assert gpu_flags("podman", [0], **place)[-2:] == ["--group-add", "keep-groups"]
        with pytest.raises(RunnerError, match="fewer render nodes"):
            gpu_flags("docker", [3], **place)

    def test_of_hygon_are_those_of_amd_and_its_memory_device(self, tmp_path: Path) -> None:
        place = self.machine(tmp_path, "kfd", "mkfd", cards=((128, "0x1d94"),))
        dev = place["dev"]
        assert gpu_flags("docker", [0], **place)[1::2] == [
            f"{dev}/kfd",
            f"{dev}/mkfd",
            f"{dev}/dri/renderD128",
        ]

    def test_of_ascend_are_each_device_the_managers_and_the_driver(self, tmp_path: Path) -> None:
        place = self.machine(tmp_path, "davinci_manager", "devmm_svm", "hisi_hdc")
        dev = place["dev"]
        assert gpu_flags("docker", [1], **place)[1::2] == [
            f"{dev}/davinci1",
            f"{dev}/davinci_manager",
            f"{dev}/devmm_svm",
            f"{dev}/hisi_hdc",
            "/usr/local/Ascend/driver:/usr/local/Ascend/driver:ro",
        ]

    def test_of_others_are_as_the_provider_says(self, tmp_path: Path) -> None:
        told = ["/dev/cambricon_ctl", "/dev/cambricon_dev{gpu}"]
        assert gpu_flags("docker", [1, 3], templates=told)[1::2] == [
            "/dev/cambricon_ctl",
            "/dev/cambricon_dev1",
            "/dev/cambricon_dev3",
        ]
        assert gpu_flags("docker", [1], templates=["none"]) == []

    def test_are_none_where_nothing_can_be_given(self, tmp_path: Path) -> None:
        with pytest.raises(RunnerError, match="shows no devices"):
            gpu_flags("podman", [0], **self.machine(tmp_path))


class TestAnEngine:
    def test_that_does_not_answer_is_not_available(self, engines: Path) -> None:
        runner = ContainerRunner("docker")
        assert runner.is_available()
        (engines / "broken").touch()
        assert not runner.is_available()
        assert not ContainerRunner("no-such-engine").is_available()

    def test_says_in_the_output_why_a_container_could_not_begin(self, engines: Path, tmp_path: Path) -> None:
        absent = start(tmp_path, "true", image="absent/image")
        assert wait(absent) == 125
        assert b"manifest unknown" in absent.read(0, 1000)
        missing = start(tmp_path, "no-such-program")
        assert wait(missing) == 127
        assert b"not found in $PATH" in missing.read(0, 1000)


class TestAContainer:
    def test_works_in_its_folder_with_its_holders_environment_and_no_other(
        self, engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAZAAR_AGENT_SECRET", "hidden")
        running = start(tmp_path, "/bin/sh", "-c", "pwd; env", environment={"EPOCHS": "3"})
        assert wait(running) == 0
        output = running.read(0, 10_000).decode()
        assert output.startswith(str(tmp_path / "work" / "one" / "work"))
        assert "EPOCHS=3\n" in output
        assert "hidden" not in output

    def test_that_handles_its_signal_ends_in_time(self, engines: Path, tmp_path: Path) -> None:
        program = (
            "import signal, sys, time\n"
            "signal.signal(15, lambda *_: sys.exit(9))\n"
            "print(1, flush=True)\n"
            "time.sleep(60)\n"
        )
        running = start(tmp_path, "/usr/bin/env", "python3", "-c", program)
        deadline = time.monotonic() + 20
        while not running.read(0, 10):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.stop(10)
        assert running.poll() == 9

    def test_can_be_stopped_while_its_image_is_fetched(self, engines: Path, tmp_path: Path) -> None:
        running = start(tmp_path, "/bin/true", image="slow/image")
        began = time.monotonic()
        running.stop(10)
        assert running.poll() == -signal.SIGKILL
        assert time.monotonic() - began < 10
        assert not list(engines.glob("*.json"))

    def test_can_begin_again_under_its_name(self, engines: Path, tmp_path: Path) -> None:
        first = start(tmp_path, "/bin/sleep", "600")
        pid = until_it_runs(engines)
        first.process.kill()  # the client alone: the container runs on
        first.process.wait()
        assert is_alive(pid)
        second = start(tmp_path, "/bin/sh", "-c", "echo again")
        assert wait(second) == 0
        assert second.read(0, 1000).endswith(b"again\n")
        assert not is_alive(pid)

    def test_is_gone_after_its_stop_even_if_its_client_was_killed(
        self, engines: Path, tmp_path: Path
    ) -> None:
        running = start(tmp_path, "/bin/sleep", "600")
        pid = until_it_runs(engines)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        running.stop(1)
        assert not is_alive(pid)
        assert not list(engines.glob("*.json"))


class TestAnAgentThatWasKilled:
    def test_leaves_a_container_that_the_next_one_removes(self, engines: Path, tmp_path: Path) -> None:
        running = start(tmp_path, "/bin/sleep", "600")
        leftovers.remember(tmp_path / "work" / "one", running)
        pid = until_it_runs(engines)
        running.process.kill()
        running.process.wait()
        assert is_alive(pid)
        leftovers.end_leftovers(tmp_path)
        assert not is_alive(pid)
        assert not (tmp_path / "work" / "one").exists()
