"""`script/server` as a person meets it: one process that starts, mends and stops the others."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.servers.remote import ROOT
from tests.servers.started import MODULE, PATIENCE_SECONDS, StartedServer
from tests.waiting import until

KILLS = 5


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., StartedServer]]:
    """Start servers; without other words on an empty bazaar, on a free port."""
    started: list[StartedServer] = []

    def start(*words: str, program: tuple[str, ...] = MODULE) -> StartedServer:
        chosen = words or ("--empty", "--port", "0", "--data", str(tmp_path / "data"))
        started.append(StartedServer(*chosen, program=program))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGTERM)


def alive(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/readyz", timeout=20) as response:
        return bool(response.status == 200)


def comes_alive(url: str) -> bool:
    """True if the server answers again before long. A server that has just been started is not up yet."""

    def answer() -> list[bool]:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return [alive(url)]
        return []

    return until(answer, patience_s=PATIENCE_SECONDS)[0]


def said_of_parts(url: str) -> str:
    """The faults of the parts by /readyz; empty if there are none."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=20):
            return ""
    except urllib.error.HTTPError as refused:
        with refused:
            found = str(json.load(refused)["dependencies"]["parts"])
    return "" if found == "ok" else found


class TestServer:
    def test_starts_all_parts_and_ctrl_c_leaves_nothing_behind(
        self, serve: Callable[..., StartedServer]
    ) -> None:
        server = serve()
        assert alive(server.url)
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert len(family) >= 4
        assert server.end(signal.SIGINT) == 0
        _, left = psutil.wait_procs(family, timeout=10)
        assert not left
        assert "Stopping." in "\n".join(server.lines)

    def test_says_what_to_copy_next(self, serve: Callable[..., StartedServer]) -> None:
        server = serve()
        assert server.until(r"export HF_ENDPOINT=(\S+)").group(1) == server.url
        server.until(r"hf download \S+/\S+")

    def test_starts_parts_again_however_often_they_are_killed(
        self, serve: Callable[..., StartedServer]
    ) -> None:
        server = serve()
        url = server.url
        for kill in range(1, KILLS + 1):
            for word, name in (("redis-server", "redis"), ("celery", "worker")):
                until(partial(server.children, word))[0].kill()
                again = (
                    "; starting it again" if kill == 1 else f", {kill} times in a row; starting it again in"
                )
                server.until(f"{name} ended with code -9{again}")
            with urllib.request.urlopen(f"{url}/models", timeout=20) as page:
                assert page.status == 200

        def killed() -> str:
            """A line of /readyz: looked for while Redis is killed each time that it is there."""
            for child in server.children("redis-server"):
                child.kill()
            return said_of_parts(url)

        assert "\n" not in until(killed)
        assert comes_alive(url)
        server.until("redis is up again")
        # And one that carries the requests: connections wait for it.
        server.children("bazaar.server.web")[0].kill()
        server.until("web ended with code -9; starting it again")
        assert comes_alive(url)

    def test_a_killed_supervisor_takes_its_parts_along_and_can_start_again(
        self, serve: Callable[..., StartedServer]
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
        self, serve: Callable[..., StartedServer]
    ) -> None:
        server = serve(program=(str(ROOT / "script" / "server"),))
        # If .venv is missing, pip makes it first.
        server.until("Model Bazaar is at", patience=500)
        assert alive(server.url)
        (worker,) = server.children("celery")
        assert str(ROOT / ".venv") in " ".join(worker.cmdline())


class TestRefusals:
    def test_a_second_server_on_the_same_folder_is_refused(self, serve: Callable[..., StartedServer]) -> None:
        assert serve().url
        second = serve()
        second.until("Another server runs on .*choose another folder with --data")
        assert second.process.wait(PATIENCE_SECONDS) == 1

    def test_a_taken_port_is_said_before_anything_starts(
        self, serve: Callable[..., StartedServer], tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            server = serve("--empty", "--port", port, "--data", str(tmp_path / "data"))
            server.until(f"Cannot listen on 127.0.0.1 port {port}: .*Choose another with --port")
            assert server.process.wait(PATIENCE_SECONDS) == 1

    def test_a_folder_that_cannot_be_written_is_named(
        self, serve: Callable[..., StartedServer], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        server = serve("--empty", "--port", "0", "--data", str(tmp_path / "file" / "data"))
        server.until("The data folder .*/file/data cannot be used")
        assert server.process.wait(PATIENCE_SECONDS) == 1

    @pytest.mark.parametrize("port", ["70000", "-1", "eighty"])
    def test_nonsense_for_a_port_is_a_usage_error(
        self, serve: Callable[..., StartedServer], port: str
    ) -> None:
        server = serve("--port", port)
        assert server.process.wait(PATIENCE_SECONDS) == 2
