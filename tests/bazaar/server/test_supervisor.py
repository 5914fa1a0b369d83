"""`script/server` as a person meets it: one process that starts, mends and stops the others."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers.live import INHERITED
from tests.servers.remote import ROOT

PATIENCE_SECONDS = 180.0
MODULE = (sys.executable, "-m", "bazaar.server")


class Server:
    """One run of the supervisor; its lines are read as they come."""

    def __init__(self, *words: str, program: tuple[str, ...] = MODULE) -> None:
        self.process = subprocess.Popen(
            [*program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={name: os.environ[name] for name in INHERITED if name in os.environ},
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self._changed:
                    self.lines.append(line.rstrip())
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def until(self, pattern: str) -> re.Match[str]:
        """The first line that matches, once it is printed."""
        found: re.Match[str] | None = None

        def looked() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(looked, PATIENCE_SECONDS)
        assert found is not None, f"no {pattern!r} in:\n" + "\n".join(self.lines)
        return found

    @property
    def url(self) -> str:
        return self.until(r"Model Bazaar is at (http://\S+)").group(1)

    def children(self, word: str) -> list[psutil.Process]:
        """The direct children whose command line holds the word."""
        mine = psutil.Process(self.process.pid).children()
        return [child for child in mine if word in " ".join(child.cmdline())]

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; without other words on an empty bazaar, on a free port."""
    started: list[Server] = []

    def start(*words: str, program: tuple[str, ...] = MODULE) -> Server:
        chosen = words or ("--empty", "--port", "0", "--data", str(tmp_path / "data"))
        started.append(Server(*chosen, program=program))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGTERM)


def alive(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/readyz", timeout=20) as response:
        return bool(response.status == 200)


def comes_alive(url: str) -> bool:
    """Whether it answers again before long: what was just said to start is not up yet."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return alive(url)
        time.sleep(0.1)
    return False


class TestServer:
    def test_starts_all_parts_and_ctrl_c_leaves_nothing_behind(self, serve: Callable[..., Server]) -> None:
        server = serve()
        assert alive(server.url)
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert len(family) >= 4
        assert server.end(signal.SIGINT) == 0
        _, left = psutil.wait_procs(family, timeout=10)
        assert not left
        assert "Stopping." in "\n".join(server.lines)

    def test_says_what_to_copy_next(self, serve: Callable[..., Server]) -> None:
        server = serve()
        assert server.until(r"export HF_ENDPOINT=(\S+)").group(1) == server.url
        server.until(r"hf download \S+/\S+")

    def test_starts_a_part_again_that_was_killed(self, serve: Callable[..., Server]) -> None:
        server = serve()
        url = server.url
        for word, name in (("bazaar.server.web", "web"), ("redis", "redis")):
            server.children(word)[0].kill()
            server.until(f"{name} ended with code -9; starting it again")
        assert comes_alive(url)

    def test_a_killed_supervisor_takes_its_parts_along_and_can_start_again(
        self, serve: Callable[..., Server]
    ) -> None:
        server = serve()
        assert server.url
        family = psutil.Process(server.process.pid).children(recursive=True)
        server.end(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=20)[1]
        assert alive(serve().url)


class TestScript:
    @pytest.mark.timeout(600)
    def test_runs_in_an_environment_of_the_pinned_requirements_alone(
        self, serve: Callable[..., Server]
    ) -> None:
        server = serve(program=(str(ROOT / "script" / "server"),))
        assert alive(server.url)
        (worker,) = server.children("celery")
        assert str(ROOT / ".venv") in " ".join(worker.cmdline())


class TestRefusals:
    def test_a_second_server_on_the_same_folder_is_refused(self, serve: Callable[..., Server]) -> None:
        assert serve().url
        second = serve()
        second.until("Another server runs on .*choose another folder with --data")
        assert second.process.wait(PATIENCE_SECONDS) == 1

    def test_a_taken_port_is_said_before_anything_starts(
        self, serve: Callable[..., Server], tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            server = serve("--empty", "--port", port, "--data", str(tmp_path / "data"))
            server.until(f"Cannot listen on 127.0.0.1 port {port}: .*Choose another with --port")
            assert server.process.wait(PATIENCE_SECONDS) == 1

    def test_a_folder_that_cannot_be_written_is_named(
        self, serve: Callable[..., Server], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        server = serve("--empty", "--port", "0", "--data", str(tmp_path / "file" / "data"))
        server.until("The data folder .*/file/data cannot be used")
        assert server.process.wait(PATIENCE_SECONDS) == 1

    @pytest.mark.parametrize("port", ["70000", "-1", "eighty"])
    def test_nonsense_for_a_port_is_a_usage_error(self, serve: Callable[..., Server], port: str) -> None:
        server = serve("--port", port)
        assert server.process.wait(PATIENCE_SECONDS) == 2
