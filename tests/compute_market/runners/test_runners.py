"""One contract for every runner, and what is particular to each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compute_market.runners.base import Job, Runner, RunnerError, Running
from compute_market.runners.container import ContainerRunner
from compute_market.runners.fake import FakeRunner
from compute_market.runners.process import ProcessRunner

PYTHON = sys.executable


def wait(running: Running, condition: Callable[[], bool] | None = None) -> int | None:
    """Until it has ended, or the condition holds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition() if condition else running.poll() is not None:
            return running.poll()
        time.sleep(0.02)
    raise AssertionError("It took too long.")


def job(folder: Path, *command: str, **changes: object) -> Job:
    return Job(
        **{
            "name": "job-1",
            "command": command,
            "folder": folder / "job",
            "gpus": [2, 5],
            "image": "pytorch:2.9",
            **changes,
        }
    )


@pytest.fixture(params=["fake", "process", "podman", "docker"])
def runner(request: pytest.FixtureRequest) -> Runner:
    if request.param in {"podman", "docker"}:
        request.getfixturevalue("engines")
        return ContainerRunner(request.param, devices=["none"])
    return FakeRunner() if request.param == "fake" else ProcessRunner()


SHELL = {
    "good": ["/bin/sh", "-c", "echo GPUs $CUDA_VISIBLE_DEVICES"],
    "bad": ["/bin/sh", "-c", "exit 1"],
    "endless": ["/bin/sleep", "600"],
}
# What a stopped command's code is: the signal's, or what an engine makes of one that ignored it.
# One that was stopped before its container was there is its client's.
STOPPED = {"fake": {-15}, "process": {-15}, "podman": {137, -9}, "docker": {137, -9}}
# How the GPUs 2 and 5 are counted where the command runs.
COUNTED = {"fake": b"2,5", "process": b"2,5", "podman": b"0,1", "docker": b"0,1"}
COMMANDS = {
    "podman": SHELL,
    "docker": SHELL,
    "fake": {"good": ["echo", "GPUs"], "bad": ["fail"], "endless": ["wait"], "missing": ["missing"]},
    "process": {**SHELL, "missing": ["/no/such/program"]},
}


class TestEveryRunner:
    def test_runs_a_command_and_gives_its_output(self, runner: Runner, tmp_path: Path) -> None:
        running = runner.start(job(tmp_path, *COMMANDS[runner.name]["good"]))
        assert wait(running) == 0
        output = running.read(0, 1000)
        assert output.startswith(b"GPUs " + COUNTED[runner.name])
        assert running.read(len(output), 1000) == b""
        assert running.read(2, 3) == output[2:5]

    def test_gives_the_exit_code_of_one_that_fails(self, runner: Runner, tmp_path: Path) -> None:
        assert wait(runner.start(job(tmp_path, *COMMANDS[runner.name]["bad"]))) == 1

    def test_stops_one_that_runs_on(self, runner: Runner, tmp_path: Path) -> None:
        running = runner.start(job(tmp_path, *COMMANDS[runner.name]["endless"]))
        assert running.poll() is None
        running.stop(1)
        assert running.poll() in STOPPED[runner.name]
        running.stop(1)

    def test_says_why_a_command_cannot_be_started(self, runner: Runner, tmp_path: Path) -> None:
        if "missing" not in COMMANDS[runner.name]:
            return  # a container's engine finds out later, and says so in the output
        with pytest.raises(RunnerError, match="No such file"):
            runner.start(job(tmp_path, *COMMANDS[runner.name]["missing"]))


class TestProcess:
    def environment(self, tmp_path: Path, **changes: object) -> dict[str, str]:
        program = "import os; print(dict(os.environ))"
        running = ProcessRunner().start(job(tmp_path, PYTHON, "-c", program, **changes))
        assert wait(running) == 0
        found: dict[str, str] = eval(running.read(0, 100_000))  # noqa: S307 - what the line above printed
        return found

    def test_sees_nothing_of_the_agents_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAZAAR_AGENT_SECRET", "hidden")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        seen = self.environment(tmp_path, environment={"EPOCHS": "3"})
        assert "hidden" not in seen.values()
        assert (seen["EPOCHS"], seen["CUDA_VISIBLE_DEVICES"]) == ("3", "2,5")
        assert seen["HOME"] == str(tmp_path / "job" / "work")

    def test_cannot_give_itself_other_gpus(self, tmp_path: Path) -> None:
        seen = self.environment(tmp_path, environment={"CUDA_VISIBLE_DEVICES": "0,1,2,3"})
        assert seen["CUDA_VISIBLE_DEVICES"] == "2,5"

    def test_has_a_folder_of_its_own(self, tmp_path: Path) -> None:
        running = ProcessRunner().start(job(tmp_path, "/bin/sh", "-c", "pwd; umask; echo x > file"))
        assert wait(running) == 0
        assert running.read(0, 1000).decode().split() == [str(tmp_path / "job" / "work"), "0077"]
        assert (tmp_path / "job").stat().st_mode & 0o077 == 0

    def test_takes_its_words_as_they_are_and_never_to_a_shell(self, tmp_path: Path) -> None:
        running = ProcessRunner().start(job(tmp_path, "/bin/echo", "$HOME; rm -rf /", "`id`"))
        assert wait(running) == 0
        assert running.read(0, 1000) == b"$HOME; rm -rf / `id`\n"

    def test_ends_with_all_its_children(self, tmp_path: Path) -> None:
        script = "trap '' TERM; sleep 600 & echo $!; sleep 600 & wait"
        running = ProcessRunner().start(job(tmp_path, "/bin/sh", "-c", script))
        wait(running, lambda: b"\n" in running.read(0, 100))
        child = int(running.read(0, 100).split()[0])
        running.stop(0.2)
        assert not _is_alive(child)

    def test_cannot_take_more_memory_than_it_may(self, tmp_path: Path) -> None:
        program = "x = bytearray(900 * 1024 * 1024)"
        running = ProcessRunner().start(job(tmp_path, PYTHON, "-c", program, memory_bytes_max=512 * 1024**2))
        assert wait(running) == 1
        assert b"MemoryError" in running.read(0, 10_000)

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root may run a command as somebody else.")
    def test_can_run_as_another_user_who_cannot_read_the_agents_files(self, tmp_path: Path) -> None:
        for folder in [tmp_path, *tmp_path.parents][:4]:
            folder.chmod(folder.stat().st_mode | 0o011)
        secret = tmp_path / "identity.json"
        secret.write_text("secret")
        secret.chmod(0o600)
        running = ProcessRunner(run_as="nobody").start(
            job(tmp_path, "/bin/sh", "-c", f"id -un; cat {secret}")
        )
        assert wait(running) == 1
        assert running.read(0, 1000).startswith(b"nobody\n")
        assert b"secret" not in running.read(0, 1000).replace(str(secret).encode(), b"")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
