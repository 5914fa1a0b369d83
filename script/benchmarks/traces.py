"""The cost of traces: processor time of requests with one in ten traced, against none.

    python script/benchmarks/traces.py [rounds]

Two hubs run at once, one of which sends traces to a receiver in this process; they are asked in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import httpx
from huggingface_hub import HfApi
from xet import Server

from tests.servers import otlp
from tests.servers.live import LiveBazaar

REQUESTS = 400


@contextmanager
def hub(folder: Path, settings: dict[str, str]) -> Iterator[tuple[LiveBazaar, httpx.Client, str]]:
    """A hub with one model, and a client of it."""
    with LiveBazaar(folder, settings=settings) as bazaar:
        user = bazaar.user("bench")
        api = HfApi(endpoint=bazaar.url, token=user.token)
        api.create_repo("bench/model")
        api.upload_file(path_or_fileobj=b"# Bench\n", path_in_repo="README.md", repo_id="bench/model")
        with httpx.Client(base_url=bazaar.url, headers={"Authorization": f"Bearer {user.token}"}) as client:
            yield bazaar, client, "/api/models/bench/model"


def milliseconds(bazaar: LiveBazaar, client: httpx.Client, path: str) -> float:
    """Processor milliseconds of the web processes for one request, on average."""
    with Server(bazaar) as server:
        for _ in range(REQUESTS):
            client.get(path).raise_for_status()
    return 1000 * server.seconds / REQUESTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=9)
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-traces-")))
        receiver = stack.enter_context(otlp.receiver())
        off = stack.enter_context(hub(folder / "off", {}))
        on = stack.enter_context(hub(folder / "on", {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}))
        all_on = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_TRACES_SAMPLER": "always_on"}
        every = stack.enter_context(hub(folder / "all", all_on))
        for each in (off, on, every):
            milliseconds(*each)
        figures = [(milliseconds(*off), milliseconds(*on), milliseconds(*every)) for _ in range(rounds)]
    base = statistics.median(figure[0] for figure in figures)
    print(f"off                 {base:6.2f} ms of processor a request")
    for name, at in (("one in ten traced", 1), ("all traced", 2)):
        ratio = statistics.median(figure[at] / figure[0] for figure in figures)
        print(f"{name:<19} {statistics.median(figure[at] for figure in figures):6.2f} ms, × {ratio:.3f}")
    print(f"spans received: {len(receiver.all())}")


if __name__ == "__main__":
    main()
