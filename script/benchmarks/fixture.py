"""The time that the test fixture takes to start, to reset and to trade, beside bare Python."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[2])

PATHS = [ROOT, f"{ROOT}/packages/client", f"{ROOT}/packages/testing"]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # the server's process begins elsewhere

from bazaar_testing.hub import ModelHub, Server

H100, PRICE = "h100-sxm-80g.cn-east.reserved.ib", 18_000_000
FILES = {"config.json": {"a": 1}, "model.safetensors": b"x" * 300_000}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return (time.perf_counter() - started) * 1000, result


def start() -> tuple[Server, str]:
    server = Server()
    return server, server.wait()


def trade(hub: ModelHub, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of an order that fills, its outcome in the answer; of an hour with a running lease."""
    hub.reset()
    market, orders = hub.market, []
    market.clock.freeze("2026-07-01T09:30:00+00:00")
    market.deposit(hub.user, 10**12)
    market.offer(H100, hours=24 * 30, gpus=128)
    window = {"start": "2026-07-01T10:00:00Z", "end": "2026-07-21T10:00:00Z", "limit_price": PRICE}
    for _ in range(rounds + 1):
        took, order = timed(lambda: market.client.place(side="buy", product=H100, gpus=1, wait=5, **window))
        assert order["state"] == "filled"
        orders.append(took)
    market.clock.advance_to("2026-07-01T10:00:00+00:00")
    hours = [timed(lambda: market.clock.advance(hours=1))[0] for _ in range(rounds)]
    assert market.audit() == []
    return orders[1:], hours  # the first one loads the engine


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
        orders, hours = trade(hub, options.resets)
    finally:
        hub.close()
        server.stop()
    for name, values in (
        ("bare `import django`", bare),
        ("start", starts),
        ("stop", stops),
        ("reset after a model", full),
        ("reset of nothing", empty),
        ("an order, matched", orders),
        (f"an hour of {options.resets + 1} leases", hours),
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:22} {low:8.1f} {middle:8.1f} {high:8.1f} ms (least, median, most of {len(values)})")


if __name__ == "__main__":
    main()
