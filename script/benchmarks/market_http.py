"""The market through its whole stack: gunicorn, PostgreSQL, Redis, a Celery worker, and clients over HTTP.

`python script/benchmarks/market_http.py [seconds]` starts all of it in a temporary folder. First as many
orders one by one as four clients can send; then a hundred a second, each waiting for its trade (`?wait=`).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers import postgres
from tests.servers.live import LiveBazaar

FAR_END = "tests.concurrency.compute_market.far_end"
CLIENTS = 4


class Work:
    """Processor time of the deployment's process groups, in seconds, by what they are."""

    def __init__(self, bazaar: LiveBazaar, url: str) -> None:
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        database = int((folder / "postmaster.pid").read_text().split()[0])
        web, worker = bazaar._web, bazaar._worker  # noqa: SLF001
        assert web is not None
        assert worker is not None
        self._groups = {web.pid: "web", worker.pid: "worker", database: "database"}
        self._parents = {database}
        self.before = self.read()

    def read(self) -> dict[str, float]:
        spent = dict.fromkeys(self._groups.values(), 0.0)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parent, group = int(fields[1]), int(fields[2])
            name = self._groups.get(parent if parent in self._parents else group)
            if name is not None:
                spent[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return spent

    def report(self, count: int) -> None:
        """What each order cost since the beginning."""
        each = {name: (now - self.before[name]) / count * 1000 for name, now in self.read().items()}
        words = ", ".join(f"{name} {figure:.1f} ms" for name, figure in each.items())
        print(
            f"    processor time each: {words}; two processors bear {2000 / sum(each.values()):,.0f} orders/s"
        )


class Client:
    """One trader with a connection that stays open."""

    def __init__(self, bazaar: LiveBazaar, number: int) -> None:
        self.user = bazaar.user(f"bench{number}", scopes="read,write,trade")
        bazaar.remote.call(f"{FAR_END}:fund", self.user.name)
        self.connection = http.client.HTTPConnection("127.0.0.1", bazaar.port, timeout=60)
        self.sent = 0

    def buy(self, product: str, price: int, query: str = "") -> dict[str, Any]:
        """One GPU for an hour, the day after tomorrow."""
        start = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
        self.sent += 1
        body = {
            "client_order_id": f"b{self.sent}",
            "side": "buy",
            "product": product,
            "gpus": 1,
            "start": start.isoformat(),
            "end": (start + timedelta(hours=1)).isoformat(),
            "limit_price": price,
        }
        headers = {"Authorization": f"Bearer {self.user.token}", "Content-Type": "application/json"}
        self.connection.request("POST", f"/api/market/v1/orders{query}", json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in {200, 202}:
            raise RuntimeError(f"{answer.status}: {text[:300]!r}")
        return dict(json.loads(text))


def flat_out(clients: list[Client], product: str, seconds: float) -> int:
    """Orders far from the market, one after the other by each client."""
    stop_at = time.monotonic() + seconds
    taken: list[float] = []

    def run(client: Client) -> None:
        while time.monotonic() < stop_at:
            began = time.monotonic()
            client.buy(product, 600_000)
            taken.append(time.monotonic() - began)

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(taken, n=100)
    print(f"accepted one by one: {len(taken) / seconds:,.0f} orders/s;", end=" ")
    print(f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms")
    return len(taken)


def paced(clients: list[Client], product: str, rate: int, seconds: float) -> None:
    """Orders that trade, at a steady rate; the time is that from sending to knowing of the trade."""
    taken: list[float] = []
    began = time.monotonic()

    def run(client: Client, turn: int) -> None:
        for number in range(turn, int(rate * seconds), len(clients)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent = time.monotonic()
            order = client.buy(product, 12_000_000, "?wait=10")
            if order["state"] == "filled":
                taken.append(time.monotonic() - sent)

    threads = [threading.Thread(target=run, args=(client, turn)) for turn, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(taken, n=100)
    print(f"asked for {rate}/s, had {len(taken) / (time.monotonic() - began):,.0f} trades/s;", end=" ")
    print(f"sent to known p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=8.0)
    seconds = parser.parse_args().seconds
    limits = {"BAZAAR_MARKET_RATE_USER": "1000000", "BAZAAR_MARKET_OPEN_ORDERS_MAX": "1000000"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgres.running())
        bazaar = stack.enter_context(LiveBazaar(folder / "live", database_url=url, settings=limits))
        floor = bazaar.remote.call(f"{FAR_END}:set_up")
        product = bazaar.remote.call(f"{FAR_END}:offer_all", floor)
        bazaar.start_worker("-B", "-s", str(bazaar.data / "beat"))
        clients = [Client(bazaar, number) for number in range(CLIENTS)]
        paced(clients, product, 10, 3)  # everything has been imported and connected after this
        work = Work(bazaar, url)
        work.report(flat_out(clients, product, seconds))
        more = [Client(bazaar, number) for number in range(CLIENTS, 16)]
        paced(clients + more, product, 100, seconds)


if __name__ == "__main__":
    main()
