"""Containers: the options for their engines, and the cleaning up after failures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compute_market.runners import sessions
from compute_market.runners.base import Ended, Job, RunnerError, Running
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.container import PUBLISHED, ContainerRunner, RunningContainer, create_words
from compute_market.runners.gpu_flags import gpu_flags
from compute_market.runners.records import OUTPUT_BYTES, OUTPUT_FILE
from compute_market.runners.sessions import session_target
from compute_market.runners.supervised_container import ContainerCommand
from compute_market.runners.targets import tcp_target
from compute_market.runners.works import Task, Works
from tests.compute_market.runners.engines import IMAGE, Podman
from tests.waiting import until

MEGABYTE = 1024 * 1024
FLOOD = 256 * MEGABYTE


def job(folder: Path, *command: str, **changes: Any) -> Job:
    said = {"name": "bazaar-1", "folder": folder / "work" / "one", "gpus": [2, 5], "image": "pytorch:2.9"}
    return Job(**{"command": command, **said, **changes})


class TestTheCommandLine:
    def test_gives_every_word_of_the_holder_as_an_argument_of_its_own(self, tmp_path: Path) -> None:
        work = job(tmp_path, "train", "--x; rm", environment={"A": "b c"})
        command = create_words("podman", work, devices=["nvidia.com/gpu={gpu}"])
        assert command[-3:] == ["pytorch:2.9", "train", "--x; rm"]
        assert "A=b c" in command
        assert command[command.index("--cap-drop") + 1] == "all"
        assert "nvidia.com/gpu=2" in command
        assert "CUDA_VISIBLE_DEVICES=0,1" in command

    def test_lets_nobody_ask_the_runtime_for_more_gpus(self, tmp_path: Path) -> None:
        work = job(tmp_path, "train", environment={"NVIDIA_VISIBLE_DEVICES": "all"})
        command = create_words("docker", work, devices=["none"])
        assert [word for word in command if "NVIDIA_VISIBLE_DEVICES" in word] == [
            "NVIDIA_VISIBLE_DEVICES=void"
        ]

    @pytest.mark.parametrize("image", ["", "--privileged"])
    def test_has_an_image_and_not_an_option_in_its_place(self, tmp_path: Path, image: str) -> None:
        with pytest.raises(RunnerError, match="needs an image"):
            ContainerRunner("podman").start(job(tmp_path, "true", image=image), ends_at=0)

    def test_holds_what_the_provider_adds_before_the_image(self, tmp_path: Path) -> None:
        command = create_words(
            "podman", job(tmp_path, "train"), devices=["none"], arguments=["--network", "none"]
        )
        assert command[-4:] == ["--network", "none", "pytorch:2.9", "train"]


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


def until_over(running: Running) -> Ended:
    return until(running.poll)


def output(running: Running) -> str:
    return running.read(0, MEGABYTE)[1].decode(errors="replace")


class Machine:
    """A folder for works and a real engine; what a test left is removed."""

    def __init__(self, podman: Podman, folder: Path) -> None:
        self.podman = podman
        self.folder = folder
        self.started: list[RunningContainer] = []

    def start(self, *command: str, arguments: str = "", **changes: Any) -> RunningContainer:
        number = len(self.started)
        given = {"image": IMAGE, "name": f"bazaar-{self.folder.name}-{number}", "gpus": [0]} | changes
        given["folder"] = self.folder / f"work{number}"
        running = self.podman.runner(arguments=arguments).start(
            Job(command=command, **given), ends_at=boot_seconds() + 300
        )
        self.started.append(running)
        return running

    def names(self) -> list[str]:
        return [name for name in self.podman.names() if name.startswith(f"bazaar-{self.folder.name}-")]


@pytest.fixture
def machine(podman: Podman, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(podman, tmp_path)
    yield machine
    for running in machine.started:
        running.kill()


class TestAContainer:
    def test_works_in_its_folder_with_its_holders_environment_and_no_other(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAZAAR_AGENT_SECRET", "hidden")
        script = "pwd; env; cat /proc/self/status; echo here > file; exit 3"
        running = machine.start(
            "sh", "-c", script, environment={"EPOCHS": "3", "EMPTY": "", "WORDS": " a\nb "}
        )
        assert until_over(running) == Ended(3)
        seen = output(running)
        assert seen.startswith("/work\n")
        assert "EPOCHS=3\n" in seen
        assert "WORDS= a\nb \n" in seen
        assert "EMPTY=\n" in seen
        assert "hidden" not in seen
        assert "CapEff:\t0000000000000000\n" in seen
        assert "NoNewPrivs:\t1\n" in seen
        assert (running.folder / "work" / "file").read_text() == "here\n"
        assert machine.names() == []

    def test_of_an_image_with_its_own_user_writes_in_its_folder(
        self, machine: Machine, podman: Podman
    ) -> None:
        """Most images of notebooks and editors have one. No other user of the machine comes there."""
        image = "localhost/bazaar-test-user:1"
        podman("import", "--change", "USER 1000", str(Path(podman.prefix).parent / "image.tar"), image)
        script = "id -u; mkdir -p a/b && echo here > a/b/file && cat a/b/file"
        running = machine.start("sh", "-c", script, image=image)
        assert until_over(running) == Ended(0), output(running)
        assert output(running) == "1000\nhere\n"
        assert (running.folder / "work" / "a" / "b" / "file").read_text() == "here\n"
        assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700

    def test_leaves_its_files_to_an_agent_without_roots_rights(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such an agent could not remove what another user of its namespace wrote."""
        engine = tmp_path / "engine"
        engine.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n')
        engine.chmod(0o755)
        for user, program, is_asked in (
            (1000, "podman", True),
            (0, "podman", False),
            (1000, "docker", False),
        ):
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            command = ContainerCommand(
                folder=tmp_path,
                engine=[str(engine), program],
                name="n",
                create=[],
                grace_s=1,
                is_adopted=False,
            )
            command.end()
            words = (tmp_path / "words").read_text()
            assert (f"podman unshare chown -hR 0:0 {tmp_path}/work\n" in words) == is_asked
            (tmp_path / "words").unlink()

    def test_has_begun_when_its_program_runs_and_is_stopped_by_its_signal(self, machine: Machine) -> None:
        script = "trap 'echo saved; exit 9' TERM; echo ready; sleep 600 & wait"
        running = machine.start("sh", "-c", script)
        assert not running.has_begun()
        until(lambda: "ready" in output(running))
        until(running.has_begun)
        running.stop()
        assert until_over(running) == Ended(9)
        assert output(running) == "ready\nsaved\n"
        assert machine.names() == []

    def test_says_in_the_output_why_it_could_not_begin(self, machine: Machine) -> None:
        missing = machine.start("no-such-program")
        absent = machine.start("true", image="localhost/absent:1", arguments="--pull never")
        assert until_over(missing).exit_code in {125, 127}
        assert "not found in $PATH" in output(missing)
        assert not missing.has_begun()
        assert until_over(absent).exit_code == 125
        assert "localhost/absent" in output(absent)

    def test_ends_at_its_deadline_without_an_agent(self, machine: Machine) -> None:
        running = machine.start("sleep", "600")
        until(running.has_begun)
        running.run_until(boot_seconds() + 600)
        assert running.poll() is None
        # The supervisor looks again when the time it knew of has come.
        early = machine.podman.runner().start(
            Job(
                name=f"bazaar-{machine.folder.name}-early",
                command=["sleep", "600"],
                folder=machine.folder / "early",
                gpus=[0],
                image=IMAGE,
            ),
            ends_at=boot_seconds() + 3,
        )
        machine.started.append(early)
        # Killed by its signal, or given up while it was still being created on a busy machine.
        assert until_over(early).exit_code in {137, -9}
        assert running.poll() is None


class TestAdoption:
    def test_by_the_next_agent_keeps_output_and_exit_code(self, machine: Machine) -> None:
        left = machine.start("sh", "-c", "echo one; while [ ! -e go ]; do sleep 0.1; done; echo two; exit 7")
        until(lambda: "one" in output(left))
        adopted = machine.podman.runner().adopt(left.folder, ends_at=boot_seconds() + 300)
        assert adopted is not None
        assert adopted.poll() is None
        # The supervisor writes it down a moment after the first output.
        until(adopted.has_begun)
        (left.folder / "work" / "go").touch()
        assert until_over(adopted) == Ended(7)
        assert output(adopted) == "one\ntwo\n"

    def test_survives_the_death_of_all_that_watched_it(self, machine: Machine) -> None:
        left = machine.start("sh", "-c", "echo one; while [ ! -e go ]; do sleep 0.1; done; exit 7")
        until(left.has_begun)
        assert left.process is not None
        os.killpg(left.process.pid, signal.SIGKILL)
        left.process.wait()
        adopted = machine.podman.runner().adopt(left.folder, ends_at=boot_seconds() + 300)
        assert adopted is not None
        machine.started.append(adopted)
        assert adopted.poll() is None
        until(adopted.has_begun)
        (left.folder / "work" / "go").touch()
        assert until_over(adopted) == Ended(7)
        assert machine.names() == []

    def test_of_a_container_that_somebody_removed_says_so(self, machine: Machine) -> None:
        left = machine.start("sleep", "600")
        until(left.has_begun)
        assert left.process is not None
        os.killpg(left.process.pid, signal.SIGKILL)
        left.process.wait()
        machine.podman("kill", *machine.names())
        machine.podman("rm", "--force", *machine.names())
        assert until_over(left) == Ended(None, "its container is gone")


class TestWaysIn:
    def test_a_session_runs_in_the_container_and_tells_how_it_ended(self, machine: Machine) -> None:
        running = machine.start("sleep", "300", environment={"OWN": "kept"})
        until(running.has_begun)
        runner, made = running.runner, Job(command=["sleep"], folder=running.folder, **facts(running))
        connect = session_target(partial(runner.inside, made))
        script = "id -u; pwd; echo $OWN $ASKED; cat; echo trouble >&2; exit 9"
        assert said(connect(), script, data=b"given", environment={"ASKED": "too"}) == (
            b"0\n/work\nkept too\ngiven",
            b"trouble\n",
            9,
        )
        # A missing program gives 127, as in a shell.
        assert said(connect(), "no-such-program")[2] == 127

    def test_a_port_is_found_where_the_engine_says_it_is(self, machine: Machine) -> None:
        """Here the container shares the machine's network; else the engine tells the port it published."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = ("httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/work")
        running = machine.start(*words, arguments="--network host")
        until(running.has_begun)
        made = Job(command=words, folder=running.folder, **facts(running))
        assert running.runner.address(made, port) == ("127.0.0.1", port)
        (running.folder / "work" / "hello").write_text("there")

        def fetched() -> bytes:
            with contextlib.suppress(OSError), tcp_target(port)() as end:
                end.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
                return end.makefile("rb").read()
            return b""

        assert until(fetched).endswith(b"there")

    def test_published_ports_are_on_the_loopback_alone(self, tmp_path: Path) -> None:
        words = create_words("podman", job(tmp_path, "serve", ports=[8888]), devices=["none"])
        assert words[words.index("--publish") + 1] == "127.0.0.1::8888"
        assert PUBLISHED.search("127.0.0.1:40123\n")
        assert PUBLISHED.search("0.0.0.0:40123") is None


def facts(running: RunningContainer) -> dict[str, Any]:
    return {"name": running.state["name"], "gpus": running.state["gpus"], "image": IMAGE}


def said(
    connection: socket.socket, command: str, *, data: bytes = b"", environment: dict[str, str] | None = None
) -> tuple[bytes, bytes, int]:
    """(stdout, stderr, exit code) of a session."""
    seen = {sessions.STDOUT: b"", sessions.STDERR: b""}
    with connection, connection.makefile("rb") as stream:
        asked = {"command": command, "terminal": None, "environment": environment or {}}
        connection.sendall(json.dumps(asked).encode() + b"\n")
        connection.sendall(sessions.frame(sessions.STDIN, data) + sessions.frame(sessions.STDIN_END, b""))
        while True:
            head = stream.read(5)
            content = stream.read(int.from_bytes(head[1:], "big"))
            if head[0] == sessions.EXIT:
                return seen[sessions.STDOUT], seen[sessions.STDERR], int(content)
            seen[head[0]] += content


class TestAHostileImage:
    def test_cannot_fork_without_end(self, machine: Machine) -> None:
        script = "bomb() { bomb | bomb & }; bomb; sleep 1; echo alive; sleep 600"
        running = machine.start("sh", "-c", script, processes_max=64)
        until(running.has_begun)
        # In any case the machine can still start processes, and the bomb ends with its container.
        machine.names()
        assert subprocess.run(["true"], check=False).returncode == 0
        running.stop()
        until_over(running)
        assert machine.names() == []

    def test_cannot_take_more_memory_than_it_may(self, machine: Machine) -> None:
        script = "dd if=/dev/zero of=/dev/null bs=512M count=1 && echo fits"
        running = machine.start("sh", "-c", script, memory_bytes_max=64 * MEGABYTE)
        assert until_over(running).exit_code != 0
        assert "fits" not in output(running)

    def test_cannot_make_the_agent_follow_its_links(self, machine: Machine, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.mkdir()
        (secret / "identity.json").write_text("secret")
        script = f"ln -s {secret} link; ln -s {secret}/identity.json file; chmod 0 . ; echo done"
        running = machine.start("sh", "-c", script)
        assert until_over(running) == Ended(0)
        works = Works(runners=[], folder=tmp_path)
        task = Task(token="t", gpus=[0], folder=running.folder, ends_at=0)
        works.forget(task)
        assert not running.folder.exists()
        assert (secret / "identity.json").read_text() == "secret"

    def test_cannot_fill_the_disk_with_output(self, machine: Machine) -> None:
        running = machine.start("sh", "-c", f"head -c {FLOOD} /dev/zero; echo; echo last words")
        peak = 0
        stop = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not stop.wait(0.1):
                assert running.process is not None
                lines = Path(f"/proc/{running.process.pid}/status")
                if lines.exists():
                    rss = [line.split()[1] for line in lines.read_text().splitlines() if "VmRSS" in line]
                    peak = max(peak, *(int(kilobytes) for kilobytes in rss), 0)

        thread = threading.Thread(target=watch)
        thread.start()
        assert until(running.poll, patience_s=120) == Ended(0)
        stop.set()
        thread.join()
        file = running.folder / OUTPUT_FILE
        assert file.stat().st_size < OUTPUT_BYTES + 4096
        assert running.read(FLOOD, 100) == (FLOOD, b"\nlast words\n")
        assert 0 < peak < 64 * 1024, f"{peak} KiB"
