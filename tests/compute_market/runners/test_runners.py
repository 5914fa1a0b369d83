"""One contract for every runner, and what is particular to plain processes."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_market.runners import descendants
from compute_market.runners.base import Ended, Job, Runner, RunnerError, Running
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.container import ContainerRunner, RunningContainer
from compute_market.runners.fake import FakeRunner
from compute_market.runners.process import ProcessRunner, RunningProcess
from compute_market.runners.records import DEADLINE_FILE, LOCK_FILE, OUTPUT_FILE, STATE_FILE, read_state
from tests.compute_market.runners.engines import IMAGE, Podman
from tests.waiting import until

PYTHON = sys.executable


def until_over(running: Running) -> Ended:
    return until(running.poll)


def output(running: Running) -> bytes:
    return running.read(0, 100_000)[1]


def job(folder: Path, *command: str, **changes: object) -> Job:
    given = {"name": f"bazaar-{folder.name}", "folder": folder / "job", "gpus": [2, 5], "image": IMAGE}
    return Job(**{"command": command, **given, **changes})


@pytest.fixture(params=["fake", "process", "podman"])
def runner(request: pytest.FixtureRequest) -> Runner:
    if request.param == "podman":
        podman: Podman = request.getfixturevalue("podman")
        return podman.runner(grace_s=1)
    return FakeRunner() if request.param == "fake" else ProcessRunner(grace_s=1)


SHELL = {
    "good": ["/bin/sh", "-c", "echo GPUs $CUDA_VISIBLE_DEVICES"],
    "bad": ["/bin/sh", "-c", "exit 1"],
    "endless": ["/bin/sleep", "600"],
    "missing": ["/no/such/program"],
}
# The exit code of a stopped command: of the signal, or of an engine that killed a command which ignored it.
STOPPED = {"fake": -15, "process": -15, "podman": 137}
# The numbers of GPUs 2 and 5 inside the command's environment.
COUNTED = {"fake": b"2,5", "process": b"2,5", "podman": b"0,1"}
COMMANDS = {
    "podman": SHELL,
    "process": SHELL,
    "fake": {"good": ["echo", "GPUs"], "bad": ["fail"], "endless": ["wait"], "missing": ["missing"]},
}


def start(runner: Runner, folder: Path, *command: str, ends_in_s: float = 300, **changes: object) -> Running:
    return runner.start(job(folder, *command, **changes), ends_at=boot_seconds() + ends_in_s)


class TestEveryRunner:
    def test_runs_a_command_and_gives_its_output(self, runner: Runner, tmp_path: Path) -> None:
        running = start(runner, tmp_path, *COMMANDS[runner.name]["good"])
        assert until_over(running) == Ended(0)
        assert running.has_begun()
        found = output(running)
        assert found.startswith(b"GPUs " + COUNTED[runner.name])
        assert running.read(len(found), 1000)[1] == b""
        assert running.read(2, 3) == (2, found[2:5])

    def test_gives_the_exit_code_of_one_that_fails(self, runner: Runner, tmp_path: Path) -> None:
        assert until_over(start(runner, tmp_path, *COMMANDS[runner.name]["bad"])) == Ended(1)

    def test_stops_one_that_runs_on(self, runner: Runner, tmp_path: Path) -> None:
        running = start(runner, tmp_path, *COMMANDS[runner.name]["endless"])
        until(running.has_begun)
        assert running.poll() is None
        running.stop()
        assert until_over(running) == Ended(STOPPED[runner.name])
        running.stop()
        running.kill()

    def test_kills_one_at_once(self, runner: Runner, tmp_path: Path) -> None:
        running = start(runner, tmp_path, *COMMANDS[runner.name]["endless"])
        until(running.has_begun)
        running.kill()
        until_over(running)

    def test_says_why_a_command_cannot_be_started(self, runner: Runner, tmp_path: Path) -> None:
        try:
            running = start(runner, tmp_path, *COMMANDS[runner.name]["missing"])
        except RunnerError as error:
            assert "No such file" in str(error)  # noqa: PT017 - some find out later
            return
        ended = until_over(running)
        assert ended.exit_code in {None, 125, 127}
        said = ended.reason.encode() + output(running)
        assert b"No such file" in said or b"not found" in said
        assert not running.has_begun()


class TestAContainerOfDocker:
    def test_is_taken_over_after_its_supervisor_was_killed(self, engines: Path, tmp_path: Path) -> None:
        runner = ContainerRunner("docker", devices=["none"], grace_s=1)
        left = start(runner, tmp_path, "/bin/sleep", "600", name="bazaar-1")
        until(left.has_begun)
        os.kill(read_state(tmp_path / "job")["pid"], signal.SIGKILL)
        assert isinstance(left, RunningContainer)
        assert left.process is not None
        left.process.wait()
        running = runner.adopt(tmp_path / "job", ends_at=boot_seconds() + 300)
        assert running is not None
        assert running.poll() is None
        until(running.has_begun)
        running.kill()
        assert not list(engines.glob("*.json"))

    def test_runs_and_says_why_another_does_not(self, engines: Path, tmp_path: Path) -> None:
        runner = ContainerRunner("docker", devices=["none"])
        good = start(runner, tmp_path, *SHELL["good"])
        assert until_over(good) == Ended(0)
        assert output(good) == b"GPUs 0,1\n"
        missing = start(runner, tmp_path, "/no/such/program")
        assert until_over(missing) == Ended(127)
        assert b"not found" in output(missing)
        assert until_over(start(runner, tmp_path, "/bin/true", image="absent/image")) == Ended(125)
        assert not list(engines.glob("*.json"))

    def test_can_be_stopped_while_its_image_is_fetched(self, engines: Path, tmp_path: Path) -> None:
        runner = ContainerRunner("docker", devices=["none"], grace_s=1)
        running = start(runner, tmp_path, "/bin/true", image="slow/image")
        until(lambda: read_state(tmp_path / "job"))
        assert not running.has_begun()
        running.stop()
        assert until_over(running) == Ended(-9)
        assert not running.has_begun()
        assert not list(engines.glob("*.json"))


class TestProcess:
    def environment(self, tmp_path: Path, **changes: object) -> dict[str, str]:
        program = "import os; print(dict(os.environ))"
        running = start(ProcessRunner(), tmp_path, PYTHON, "-c", program, **changes)
        assert until_over(running) == Ended(0)
        found: dict[str, str] = eval(output(running))  # noqa: S307 - what the line above printed
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
        running = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", "pwd; umask; echo x > file")
        assert until_over(running) == Ended(0)
        assert output(running).decode().split() == [str(tmp_path / "job" / "work"), "0077"]
        assert (tmp_path / "job").stat().st_mode & 0o077 == 0

    def test_takes_its_words_as_they_are_and_never_to_a_shell(self, tmp_path: Path) -> None:
        words = ["$HOME; rm -rf /", "`id`", "", "  a  ", "x\ny"]
        running = start(ProcessRunner(), tmp_path, PYTHON, "-c", "import sys; print(sys.argv[1:])", *words)
        assert until_over(running) == Ended(0)
        assert output(running) == f"{words}\n".encode()

    def test_cannot_take_more_memory_than_it_may(self, tmp_path: Path) -> None:
        program = "x = bytearray(900 * 1024 * 1024)"
        running = start(ProcessRunner(), tmp_path, PYTHON, "-c", program, memory_bytes_max=512 * 1024**2)
        assert until_over(running) == Ended(1)
        assert b"MemoryError" in output(running)

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root may run a command as somebody else.")
    def test_can_run_as_another_user_who_cannot_read_the_agents_files(self, tmp_path: Path) -> None:
        for folder in [tmp_path, *tmp_path.parents][:4]:
            folder.chmod(folder.stat().st_mode | 0o011)
        secret = tmp_path / "identity.json"
        secret.write_text("secret")
        secret.chmod(0o600)
        files = f"{secret} ../output /proc/$PPID/environ"
        script = f"id -un; echo $$ > own; cat own; cat {files}; kill -9 $PPID"
        running = start(ProcessRunner(run_as="nobody"), tmp_path, "/bin/sh", "-c", script)
        assert until_over(running) == Ended(1)
        said = output(running)
        assert said.startswith(b"nobody\n")
        assert said.count(b"Permission denied") == 3
        assert b"secret" not in said.replace(str(secret).encode(), b"")

    def test_of_a_user_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RunnerError, match="no user nobody-here"):
            start(ProcessRunner(run_as="nobody-here"), tmp_path, "/bin/true")


# Forks twice in sessions of its own and closes everything, as daemons do; prints its own number first.
DAEMON = """
import os, sys, time, signal
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(write, str(os.getpid()).encode())
        os.closerange(0, 100)
        os.execve("/bin/sleep", ["sleep", "600"], {{}})
    os._exit(0)
os.wait()
print(os.read(read, 20).decode(), flush=True)
{then}
"""


class TestAProcessThatHides:
    @pytest.fixture(params=["cgroup", "subreaper"])
    def net(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        """With a cgroup where the machine has one to give, and as on a machine that has none."""
        if request.param == "subreaper":
            # A name that no group can have.
            self.name = f"no/{tmp_path.name}"
        else:
            self.name = f"bazaar-{tmp_path.name}"
            if descendants.Cgroup.make(self.name) is None:
                pytest.skip("This machine has no cgroup of version 2 to give.")
        return str(request.param)

    def daemon(self, tmp_path: Path, then: str) -> tuple[Running, int]:
        program = DAEMON.format(then=then)
        running = start(ProcessRunner(grace_s=0.5), tmp_path, PYTHON, "-c", program, name=self.name)
        hidden = int(until(lambda: output(running).strip()))
        return running, hidden

    def test_ends_when_its_command_ends_by_itself(self, net: str, tmp_path: Path) -> None:
        running, hidden = self.daemon(tmp_path, "sys.exit(3)")
        assert until_over(running) == Ended(3)
        assert not _is_alive(hidden)

    def test_ends_when_its_command_is_stopped(self, net: str, tmp_path: Path) -> None:
        running, hidden = self.daemon(tmp_path, "time.sleep(600)")
        assert _is_alive(hidden)
        running.stop()
        assert until_over(running) == Ended(-15)
        assert not _is_alive(hidden)

    def test_ends_when_its_supervisor_is_killed(self, tmp_path: Path) -> None:
        self.name = f"bazaar-{tmp_path.name}"
        running, hidden = self.daemon(tmp_path, "time.sleep(600)")
        assert isinstance(running, RunningProcess)
        os.kill(read_state(running.folder)["pid"], signal.SIGKILL)
        assert until_over(running) == Ended(None, "its supervisor was killed")
        if descendants.Cgroup.make(self.name) is None:
            os.kill(hidden, signal.SIGKILL)  # it cleared its environment: only a cgroup knows whose it is
        assert not _is_alive(hidden)

    def test_leaves_no_cgroup_behind(self, tmp_path: Path) -> None:
        running = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", "cat /proc/self/cgroup")
        until_over(running)
        cgroup = descendants.Cgroup.make("probe")
        if cgroup is None:
            pytest.skip("This machine has no cgroup of version 2 to give.")
        cgroup.end(timeout_s=1, reap=lambda: None)
        assert f"bazaar-{tmp_path.name}".encode() in output(running)
        assert not (cgroup.path.parent / f"bazaar-{tmp_path.name}").exists()

    def test_forking_without_end_is_ended(self, net: str, tmp_path: Path) -> None:
        program = (
            "import os, time\n"
            "print('begun', flush=True)\n"
            "while True:\n"
            "    if os.fork() and os.fork(): time.sleep(0.05); os._exit(0)\n"
            "    time.sleep(0.05)\n"
        )
        running = start(ProcessRunner(grace_s=0.2), tmp_path, PYTHON, "-c", program, name=self.name)
        until_over(running)
        assert not [pid for pid in descendants.all_pids() if descendants._names(pid, str(tmp_path).encode())]


class TestASupervisor:
    @pytest.fixture
    def started(self) -> Iterator[list[Running]]:
        started: list[Running] = []
        yield started
        for running in started:
            running.kill()

    def test_is_found_again_by_the_next_agent(self, tmp_path: Path) -> None:
        script = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; exit 7"
        left = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", script)
        until(lambda: output(left))
        adopted = ProcessRunner().adopt(tmp_path / "job", ends_at=0)
        assert adopted is not None
        assert (adopted.has_begun(), adopted.poll()) == (True, None)
        (tmp_path / "job" / "work" / "go").touch()
        assert until_over(adopted) == Ended(7)
        assert output(adopted) == b"one\ntwo\n"
        assert until_over(left) == Ended(7)

    def test_refuses_a_second_one_in_its_folder(self, tmp_path: Path, started: list[Running]) -> None:
        started.append(start(ProcessRunner(), tmp_path, "/bin/sleep", "600"))
        with pytest.raises(RunnerError, match="runs already"):
            start(ProcessRunner(), tmp_path, "/bin/sleep", "600")

    def test_stops_an_adopted_command(self, tmp_path: Path) -> None:
        left = start(ProcessRunner(), tmp_path, "/bin/sleep", "600")
        until(left.has_begun)
        adopted = ProcessRunner().adopt(tmp_path / "job", ends_at=0)
        assert adopted is not None
        adopted.stop()
        assert until_over(adopted) == Ended(-15)
        assert until_over(left) == Ended(-15)

    def test_ends_its_command_at_the_deadline_that_moves(self, tmp_path: Path) -> None:
        running = start(ProcessRunner(), tmp_path, "/bin/sleep", "600", ends_in_s=1)
        until(running.has_begun)
        until_is = boot_seconds() + 2.5
        running.run_until(until_is + 600)
        running.run_until(until_is)
        assert until_over(running) == Ended(-15)
        assert boot_seconds() >= until_is

    def test_outlives_the_signals_of_a_terminal(self, tmp_path: Path, started: list[Running]) -> None:
        running = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", "trap 'exit 4' TERM; sleep 600 & wait")
        started.append(running)
        until(running.has_begun)
        assert isinstance(running, RunningProcess)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            running.signal(number)
        assert running.poll() is None
        running.stop()
        assert until_over(running) == Ended(4)

    def test_never_signals_another_process_that_has_its_number(self, tmp_path: Path) -> None:
        left = start(ProcessRunner(), tmp_path, "/bin/true")
        until_over(left)
        with subprocess.Popen(["/bin/sleep", "600"]) as other:
            state = (tmp_path / "job" / STATE_FILE).read_text()
            pid = read_state(tmp_path / "job")["pid"]
            changed = state.replace(f'"pid": {pid}', f'"pid": {other.pid}')
            (tmp_path / "job" / STATE_FILE).write_text(changed)
            adopted = RunningProcess(tmp_path / "job")
            adopted.stop()
            adopted.signal(signal.SIGKILL)
            assert other.poll() is None
            other.kill()

    def test_keeps_its_files_for_the_agents_user_alone(self, tmp_path: Path) -> None:
        """With any umask: with `--run-as` the folder lets another user through."""
        before = os.umask(0)
        try:
            running = start(ProcessRunner(), tmp_path, "/bin/true")
            until_over(running)
        finally:
            os.umask(before)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "job").iterdir()}
        assert modes == {
            "work": 0o700,
            OUTPUT_FILE: 0o600,
            STATE_FILE: 0o600,
            LOCK_FILE: 0o600,
            DEADLINE_FILE: 0o600,
        }

    def test_goes_on_when_its_files_are_removed(self, tmp_path: Path) -> None:
        script = f"rm -f ../{OUTPUT_FILE} ../{STATE_FILE} ../{LOCK_FILE}; echo gone; sleep 0.3; exit 5"
        running = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", script)
        ended = until_over(running)
        assert ended.exit_code in {None, 5}
        assert running.read(0, 100)[1] == b""

    def test_goes_on_when_its_folder_is_removed(self, tmp_path: Path) -> None:
        running = start(ProcessRunner(), tmp_path, "/bin/sh", "-c", "rm -rf ../../job; exit 5")
        assert until_over(running).exit_code is None
        running.stop()
        running.kill()

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root may mount a small disk.")
    def test_keeps_the_exit_code_and_the_newest_output_on_a_full_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", str(disk)], check=True)
        try:
            script = "dd if=/dev/zero of=big bs=1M; echo full; exit 6"
            running = start(ProcessRunner(), disk, "/bin/sh", "-c", script)
            assert until_over(running) == Ended(6)
            assert output(running).endswith(b"full\n")
            running.run_until(boot_seconds() + 1000)
            with pytest.raises(OSError, match="No space left"):
                (disk / "more").write_bytes(b"x" * 100_000)
            # The next work finds no room: it is not started, and says why.
            second = Job(name="bazaar-2", command=["/bin/touch", "ran"], folder=disk / "two", gpus=[0])
            with contextlib.suppress(OSError):
                ended = until_over(ProcessRunner().start(second, ends_at=boot_seconds() + 300))
                assert ended.exit_code is None
                assert "No space left" in ended.reason
            assert not (disk / "two" / "work" / "ran").exists()
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
