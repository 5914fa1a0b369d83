"""After the signal to stop, a worker ends its task and leaves the others to the next worker."""

from __future__ import annotations

import signal
from pathlib import Path

from bazaar.server import processes
from tests.servers.live import LiveBazaar
from tests.waiting import until

WORKER = ("-c", "1", "-I", "tests.servers.slow_task")
SEND = "tests.servers.slow_task:send"


def test_a_task_ends_and_the_next_worker_has_the_rest(live_sqlite: LiveBazaar, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        live_sqlite.remote.call(SEND, str(folder))
    worker = live_sqlite.start_worker(*WORKER)
    until((first / "begun").exists)
    worker.send_signal(signal.SIGTERM)
    (first / "go").touch()
    assert worker.wait(120) == 0
    assert (first / "ended").exists()
    assert not (second / "begun").exists()
    again = live_sqlite.start_worker(*WORKER)
    try:
        (second / "go").touch()
        until((second / "ended").exists)
    finally:
        processes.stop(again)
