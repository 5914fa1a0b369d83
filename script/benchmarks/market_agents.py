"""Agents at the hub: what heartbeats and polls of many nodes cost, against a page that does nothing.

`script/bench market_agents [--nodes 1000] [--postgres]` starts a hub in a temporary folder, signs requests as
the agent does, one node after another, and reads the processor time of the hub's web processes (and of
PostgreSQL's).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil

from compute_market.runners.hub_link import HubLink
from tests.servers import postgres
from tests.servers.live import LiveBazaar

ROUNDS = 3
HEARTBEAT_S = 20
FAR = "tests.wire.market_supply"


def processor_s(roots: list[int]) -> float:
    """Seconds of processor time of processes and all below them."""
    total = 0.0
    for root in roots:
        process = psutil.Process(root)
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def cost_ms(roots: list[int], call: Callable[[int], object], count: int) -> float:
    """Milliseconds of processor time for each of so many calls."""
    before = processor_s(roots)
    for number in range(count):
        call(number)
    return (processor_s(roots) - before) * 1000 / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgres.running()) if options.postgres else ""
        bazaar = stack.enter_context(LiveBazaar(folder / "hub", database_url=url))
        roots = [bazaar.web_pid]
        if url:
            place = Path(parse_qs(urlsplit(url).query)["host"][0])
            roots.append(int((place / "postmaster.pid").read_text().split()[0]))
        links = []
        for number, (key_id, key, instance) in enumerate(
            bazaar.remote.call(f"{FAR}:many_nodes", options.nodes)
        ):
            link = HubLink(url=bazaar.url, identity=folder / f"{number}" / "identity.json", instance=instance)
            link.identity_path.parent.mkdir()
            link.identity = {"key_id": key_id, "key": key}
            links.append(link)
        calls: dict[str, Callable[[int], object]] = {
            "control": lambda _: urllib.request.urlopen(f"{bazaar.url}/healthz").read(),  # noqa: S310
            "heartbeat": lambda number: links[number].call("heartbeat", {"runners": ["podman"]}),
            "poll": lambda number: links[number].call("poll", {}),
        }
        found: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                found[name].append(cost_ms(roots, call, options.nodes))
    for name, costs in found.items():
        ms = statistics.median(costs)
        line = f"{name:10} {ms:6.2f} ms   {ms / statistics.median(found['control']):5.1f} × control"
        if name == "heartbeat":
            share = ms * options.nodes / HEARTBEAT_S / 10
            line += f"   {options.nodes} agents: {share:.1f} % of a core"
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
