"""The speed of Xet, measured with the real client against a live hub on loopback.

    python script/benchmarks/xet.py [MiB]

Needs the development requirements. Each figure stands beside the least that docs/performance.md asks.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import hf_xet
import xet_control
from blake3 import blake3

from tests.servers import clients
from tests.servers.live import LiveBazaar, LiveUser

MIB = 1024 * 1024


def report(name: str, figure: str, least: str = "") -> None:
    print(f"{name:<52} {figure:>16}  {least}", flush=True)


def write_random(path: Path, mib: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(source.randbytes(MIB))


def write_compressible(path: Path, mib: int) -> None:
    """Floats of which two bytes in four are zero: LZ4 halves them."""
    source = random.Random(3)
    with path.open("wb") as file:
        for _ in range(mib):
            block = bytearray(MIB)
            block[2::4], block[3::4] = source.randbytes(MIB // 4), source.randbytes(MIB // 4)
            file.write(block)


def timed_upload(bazaar: LiveBazaar, user: LiveUser, path: Path, repo: str) -> float:
    env = bazaar.client_env(user)
    start = time.perf_counter()
    clients.run([clients.program("hf"), "upload", repo, path, "model.bin"], env=env, timeout_seconds=900)
    return time.perf_counter() - start


def start_up_seconds(bazaar: LiveBazaar) -> float:
    """The time of the client when it does nothing."""
    start = time.perf_counter()
    clients.run([clients.program("hf"), "version"], env=bazaar.client_env())
    return time.perf_counter() - start


def fetch(bazaar: LiveBazaar, user: LiveUser, repo: str) -> tuple[float, str]:
    """Seconds and SHA-256 of a plain GET."""
    parts = urlsplit(bazaar.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    digest = hashlib.sha256()
    start = time.perf_counter()
    headers = {"Authorization": f"Bearer {user.token}"}
    connection.request("GET", f"/{repo}/resolve/main/model.bin", headers=headers)
    response = connection.getresponse()
    seconds_hashing = 0.0
    while data := response.read(MIB):
        before = time.perf_counter()
        digest.update(data)
        seconds_hashing += time.perf_counter() - before
    seconds = time.perf_counter() - start - seconds_hashing
    connection.close()
    return seconds, digest.hexdigest()


class Server:
    """The cost of a block in the web processes: processor seconds, and memory above that of before."""

    def __init__(self, bazaar: LiveBazaar) -> None:
        self.pid = bazaar.web_pid
        self.idle = self.peak = self._now()
        self.seconds = -self._processor_seconds()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def _now(self) -> int:
        return sum(map(self._rss, self._processes()))

    def _processor_seconds(self) -> float:
        fields = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._processes()
        ]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _rss(pid: int) -> int:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, self._now())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.seconds += self._processor_seconds()

    @property
    def above_idle(self) -> int:
        return self.peak - self.idle


def stored(bazaar: LiveBazaar) -> int:
    return int(bazaar.remote.call("tests.wire.xet_store:stored_bytes"))


def measure(folder: Path, mib: int) -> None:
    path, floats = folder / "random", folder / "floats"
    write_random(path, mib, seed=1)
    write_compressible(floats, max(64, mib // 4))
    start = time.perf_counter()
    hf_xet.hash_files([str(path)])
    alone = time.perf_counter() - start
    data = path.read_bytes()[: 256 * MIB]
    start = time.perf_counter()
    hashlib.sha256(data).digest()
    blake3(data).digest()
    one_process = len(data) / MIB / (time.perf_counter() - start)
    del data
    least = min(0.5 * mib / alone, one_process)
    report("hf-xet chunks and hashes alone", f"{mib / alone:.0f} MiB/s")
    report("blake3 + sha256, one process", f"{one_process:.0f} MiB/s")
    report("hf-xet uploads to nowhere", f"{mib / xet_control.upload_seconds(path):.0f} MiB/s")
    stored_only = mib / xet_control.upload_seconds(path, folder=folder)
    report("hf-xet uploads to a server that only stores", f"{stored_only:.0f} MiB/s")
    with LiveBazaar(folder / "live") as bazaar:
        user = bazaar.user("bench")
        idle = start_up_seconds(bazaar)
        with Server(bazaar) as server:
            seconds = timed_upload(bazaar, user, path, "bench/random") - idle
        report(
            "upload of random bytes, client start-up taken off",
            f"{mib / seconds:.0f} MiB/s",
            f"≥ {least:.0f}",
        )
        report("  its share of what only storing gives", f"{100 * mib / seconds / stored_only:.0f} %")
        report("  a second of the server's processor", f"{mib / server.seconds:.0f} MiB")
        report("  its memory above idle", f"{server.above_idle / MIB:.0f} MiB", "≤ 200")
        changed = folder / "changed"
        subprocess.run(["cp", path, changed], check=True)
        with changed.open("r+b") as file:
            file.seek(mib * MIB // 2)
            file.write(random.Random(9).randbytes(mib * MIB // 100))
        before = stored(bazaar)
        seconds = timed_upload(bazaar, user, changed, "bench/random") - idle
        share = (stored(bazaar) - before) / (mib * MIB)
        report("share that travels when 1 % changed", f"{100 * share:.2f} %", "< 5 %")
        report("and the time of that", f"{seconds:.1f} s")
        with Server(bazaar) as server:
            seconds, digest = fetch(bazaar, user, "bench/random")
        assert digest == hashlib.sha256(changed.read_bytes()).hexdigest()
        report("plain HTTP of uncompressed chunks", f"{mib * MIB / 1e6 / seconds:.0f} MB/s", "≥ 400 a core")
        report("  a second of the server's processor", f"{mib * MIB / 1e6 / server.seconds:.0f} MB")
        report("  its memory above idle", f"{server.above_idle / MIB:.0f} MiB", "≤ 200")
        timed_upload(bazaar, user, floats, "bench/floats")
        size = floats.stat().st_size
        with Server(bazaar) as server:
            seconds, _ = fetch(bazaar, user, "bench/floats")
        report("plain HTTP of compressed chunks", f"{size / 1e6 / seconds:.0f} MB/s", "≥ 200 a core")
        report("  a second of the server's processor", f"{size / 1e6 / server.seconds:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mib", nargs="?", type=int, default=1024, help="size of the random file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-xet-", dir=os.environ.get("TMPDIR")) as folder:
        measure(Path(folder), arguments.mib)


if __name__ == "__main__":
    main()
