"""How long the test fixture takes to start and to come clean, beside bare Python and an empty reset."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bazaar.testing.hub import ModelHub, Server

FILES = {"config.json": {"a": 1}, "model.safetensors": b"x" * 300_000}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return (time.perf_counter() - started) * 1000, result


def start() -> tuple[Server, str]:
    server = Server()
    return server, server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--resets", type=int, default=50)
    options = parser.parse_args()
    server, _ = start()  # keeps the migrated database for the others
    server.stop()
    starts, stops, bare = [], [], []
    for _ in range(options.starts):
        bare.append(timed(lambda: subprocess.run([sys.executable, "-c", "import django"], check=True))[0])
        milliseconds, (server, _) = timed(start)
        starts.append(milliseconds)
        stops.append(timed(server.stop)[0])
    server, url = start()
    hub = ModelHub(url)
    full, empty = [], []
    try:
        for _ in range(options.resets):
            hub.add_model("acme/tiny", files=FILES)
            full.append(timed(hub.reset)[0])
            empty.append(timed(hub.reset)[0])
    finally:
        hub.close()
        server.stop()
    for name, values in (
        ("bare `import django`", bare),
        ("start", starts),
        ("stop", stops),
        ("reset after a model", full),
        ("reset of nothing", empty),
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:22} {low:8.1f} {middle:8.1f} {high:8.1f} ms (least, median, most of {len(values)})")


if __name__ == "__main__":
    main()
