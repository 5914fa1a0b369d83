"""A worker outlives its Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_library

from bazaar.server import processes, redis
from bazaar.server.supervisor import WORKER
from tests.servers.live import INHERITED, PYTHONPATH
from tests.servers.remote import ROOT
from tests.waiting import until


class WorkerAndRedis:
    """Two processes, without a database: the only task here is that of `tests.servers.napping`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket_path = redis.socket_path(folder)
        self.env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "DJANGO_SETTINGS_MODULE": "bazaar.settings.live_test",
            "PYTHONPATH": PYTHONPATH,
            "BAZAAR_DATA_DIR": str(folder),
            # Nothing answers there. A worker waits for the migrations of a database that answers.
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        }
        self.log = (folder / "log").open("ab")
        self.redis = self.start_redis()
        words = ["-m", "celery", "-A", "tests.servers.napping", "worker", *WORKER, "-c", "2"]
        self.worker = processes.spawn([sys.executable, *words], output=self.log, env=self.env, cwd=ROOT)

    def start_redis(self) -> subprocess.Popen[bytes]:
        process = redis.start(socket_path=self.socket_path, folder=self.folder / "redis", output=self.log)
        processes.wait_until(lambda: redis.answers(self.socket_path), what="Redis", process=process)
        return process

    def send(self, name: str) -> None:
        script = f"from tests.servers.napping import *; run_until_told.delay({str(self.folder)!r}, {name!r})"
        subprocess.run([sys.executable, "-c", script], env=self.env, cwd=ROOT, check=True)

    def has(self, file: str) -> bool:
        return (self.folder / file).exists()

    def until(self, file: str) -> None:
        def look() -> bool:
            assert self.worker.poll() is None, self.said()
            return self.has(file)

        until(look, what=self.said, patience_s=120)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def close(self) -> None:
        for process in (self.worker, self.redis):
            processes.stop(process)
        self.log.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[WorkerAndRedis]:
    made = WorkerAndRedis(tmp_path)
    yield made
    made.close()


class TestWorker:
    def test_outlives_a_redis_that_is_killed_while_a_task_runs(self, pair: WorkerAndRedis) -> None:
        pair.send("first")
        pair.until("first.begun")
        # The order of events that ended a worker of Celery's own: first the connection for broadcasts is
        # lost, while the one for tasks waits for the next, and Redis cannot be reached at once.
        pair.worker.send_signal(signal.SIGSTOP)
        with redis_library.Redis(unix_socket_path=str(pair.socket_path)) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        pair.redis.kill()
        pair.redis.wait()
        pair.worker.send_signal(signal.SIGCONT)
        until(lambda: "Trying again in" in pair.said(), what=pair.said)
        pair.redis = pair.start_redis()
        (pair.folder / "first.end").touch()
        pair.until("first.ended")
        pair.send("second")
        (pair.folder / "second.end").touch()
        pair.until("second.ended")
        assert "Unrecoverable error" not in pair.said()
