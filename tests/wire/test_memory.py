"""Large bodies travel through the server in flat memory."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.servers.live import LiveBazaar, unique

MIB = 1024 * 1024
FILES, FILE_BYTES = 12, 9 * MIB
ABOVE_IDLE_BYTES_MAX = 150 * MIB

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


def workers_of(bazaar: LiveBazaar) -> list[int]:
    """The processes that answer requests."""
    assert bazaar._web is not None
    children = Path(f"/proc/{bazaar._web.pid}/task/{bazaar._web.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


class Peak:
    """The most memory that any worker took while the block ran, above what it had before."""

    def __init__(self, pids: list[int]) -> None:
        self.idle = {pid: resident_bytes(pid) for pid in pids}
        self.most = dict(self.idle)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for pid in self.idle:
                self.most[pid] = max(self.most[pid], resident_bytes(pid))

    @property
    def above_idle(self) -> int:
        return max(self.most[pid] - self.idle[pid] for pid in self.idle)


def commit_lines() -> Iterator[bytes]:
    """A commit of twelve regular files of 9 MiB: 144 MB of NDJSON, made as it is sent."""
    yield json.dumps({"key": "header", "value": {"summary": "Large"}}).encode() + b"\n"
    for number in range(FILES):
        yield f'{{"key": "file", "value": {{"path": "text{number}.txt", "content": "'.encode()
        for _ in range(9):
            yield base64.b64encode(os.urandom(3 * MIB // 4 // 3 * 3))
            yield base64.b64encode(bytes([65 + number]) * (MIB // 4 // 3 * 3))
        yield b'"}}\n'


class TestMemory:
    def test_stays_flat_under_a_commit_of_over_100_mb(self, live_sqlite: LiveBazaar) -> None:
        alice = live_sqlite.alice
        headers = {"Authorization": f"Bearer {alice.token}"}
        name = unique("large")
        with httpx.Client(base_url=live_sqlite.url, headers=headers, timeout=300) as client:
            client.post("/api/repos/create", json={"name": name}).raise_for_status()
            with Peak(workers_of(live_sqlite)) as peak:
                answer = client.post(f"/api/models/{alice.name}/{name}/commit/main", content=commit_lines())
            assert answer.status_code == 200, answer.text
            tree = client.get(f"/api/models/{alice.name}/{name}/tree/main").json()
        assert sum(item["size"] for item in tree) > FILES * 8 * MIB
        assert peak.above_idle < ABOVE_IDLE_BYTES_MAX, f"{peak.above_idle / MIB:.0f} MiB"
