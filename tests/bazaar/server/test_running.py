"""The notes of web servers, and the signals by which `drain` acts on them."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from bazaar.server import running
from bazaar.server.http.processes import Hooks, Processes
from bazaar.server.http.server import Server
from bazaar.server.running import DRAIN, SERVE


class TestNote:
    def test_is_found_while_its_server_runs(self, tmp_path: Path) -> None:
        with running.noted(tmp_path, "127.0.0.1:8000") as note:
            note(True, 7)
            [server] = running.found(tmp_path)
        assert (server.process, server.is_draining, server.connections) == (os.getpid(), True, 7)
        assert running.found(tmp_path) == []

    def test_that_cannot_be_written_ends_no_server(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "pwrite", full)
        with running.noted(tmp_path, "127.0.0.1:8000") as note:
            note(True, 7)
            assert running.found(tmp_path) == []


def no_server(_: object) -> Server:
    raise AssertionError("no process is started here")


class TestDraining:
    @pytest.fixture
    def processes(self) -> Processes:
        hooks = Hooks(
            begin=lambda: None,
            finish=lambda: None,
            ended=lambda _: None,
            drain=lambda _: None,
            tell=lambda *_: None,
            refuse=lambda: None,
        )
        return Processes(1, no_server, hooks, graceful_seconds=1)

    def test_is_undone(self, processes: Processes) -> None:
        processes._on_drain(DRAIN)
        assert processes._is_draining
        processes._on_drain(SERVE)
        assert not processes._is_draining

    def test_of_a_server_that_is_stopping_is_not_undone(self, processes: Processes) -> None:
        processes._on_drain(DRAIN)
        processes._on_stop(signal.SIGTERM)
        processes._on_drain(SERVE)
        assert processes._is_draining
