"""Commits while a backup is made, against commits without one: the 95th percentile of their times, in turns.

    script/bench backup [--rounds 5] [--commits 60] [--repositories 200] [--postgres]

A round commits without a backup, and then as long as backups are made one after the other, each into an empty
place, so that each stores everything.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx

from tests.servers import postgres
from tests.servers.live import LiveBazaar, LiveUser
from tests.servers.remote import ROOT


@contextmanager
def backups(bazaar: LiveBazaar, folder: Path) -> Iterator[list[float]]:
    """Make backups, one after the other, until the block ends; gives the seconds that each took."""
    over, seconds = threading.Event(), []

    def make() -> None:
        while not over.is_set():
            place = folder / f"backup-{time.monotonic_ns()}"
            started = time.perf_counter()
            words = [sys.executable, "manage.py", "backup", "create", "--place", str(place)]
            subprocess.run(words, cwd=ROOT, env=bazaar.env, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def commit(client: httpx.Client, repo: str, number: int) -> float:
    """Commit a small file; give the seconds."""
    file = {
        "path": "file.txt",
        "content": base64.b64encode(str(number).encode()).decode(),
        "encoding": "base64",
    }
    lines = [{"key": "header", "value": {"summary": "a file"}}, {"key": "file", "value": file}]
    started = time.perf_counter()
    answer = client.post(
        f"/api/models/{repo}/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - started


def fill(client: httpx.Client, user: LiveUser, count: int) -> list[str]:
    """Repositories, each with a commit."""
    for number in range(count):
        made = client.post("/api/repos/create", json={"name": f"model-{number}", "type": "model"})
        assert made.status_code == 200, made.text
        commit(client, f"{user.name}/model-{number}", random.Random(number).getrandbits(60))
    return [f"{user.name}/model-{number}" for number in range(count)]


def percentile(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] * 1000


def measure(bazaar: LiveBazaar, options: argparse.Namespace, folder: Path) -> None:
    user = bazaar.user()
    headers = {"Authorization": f"Bearer {user.token}"}
    ratios = []
    with httpx.Client(base_url=bazaar.url, headers=headers, timeout=120) as client:
        repos = fill(client, user, options.repositories)

        numbers = itertools.count()

        def times(over: Callable[[], bool]) -> list[float]:
            found: list[float] = []
            while len(found) < options.commits or not over():
                number = next(numbers)
                found.append(commit(client, repos[number % len(repos)], number))
            return found

        for number in range(options.rounds):
            alone = percentile(times(lambda: True))
            with backups(bazaar, folder) as made:
                beside = percentile(times(lambda made=made: bool(made)))
            ratios.append(beside / alone)
            print(
                f"round {number + 1}: p95 {alone:.1f} ms alone, {beside:.1f} ms beside {len(made)} backups "
                f"of {statistics.median(made):.1f} s: {ratios[-1]:.2f}"
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--repositories", type=int, default=200)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = stack.enter_context(postgres.running(is_durable=True)) if options.postgres else ""
        measure(stack.enter_context(LiveBazaar(folder / "hub", database_url=url)), options, folder)


if __name__ == "__main__":
    main()
