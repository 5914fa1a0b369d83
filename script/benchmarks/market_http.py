"""The market through its whole stack: web server, PostgreSQL, Redis, a Celery worker, and a client over HTTP.

`script/bench market_http [seconds]` starts all of it in a temporary folder; `script/bench market` does too.
The client is one thread with sockets that stay open, so that it takes little of what it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bazaar.server import processes
from tests.servers import postgres
from tests.servers.live import LiveBazaar

FAR_END = "tests.concurrency.compute_market.far_end"
BASE = "/api/market/v1"
LIMITS = {
    "BAZAAR_MARKET_RATE_USER": "100000000",
    "BAZAAR_MARKET_RATE_ANONYMOUS": "100000000",
    "BAZAAR_MARKET_OPEN_ORDERS_MAX": "1000000",
    "BAZAAR_LOG_LEVEL": "WARNING",
}
OPEN_ORDERS = 100_000
SUBSCRIBERS = 500
TRADES_A_SECOND = 100
CLIENTS = (4, 8, 16)
WIRES_PACED = 24
Figures = dict[str, str]


class Work:
    """Processor time of the deployment's process groups, in seconds, by what they are."""

    def __init__(self, bazaar: LiveBazaar, url: str) -> None:
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        database = int((folder / "postmaster.pid").read_text().split()[0])
        web, worker, redis = bazaar._web, bazaar._worker, bazaar._redis  # noqa: SLF001
        assert web is not None
        assert worker is not None
        assert redis is not None
        self._groups = {
            web.pid: "web", worker.pid: "worker", database: "database", redis.pid: "redis",
            os.getpid(): "client",
        }  # fmt: skip
        self._database = database
        self.before = self.read()

    def read(self) -> dict[str, float]:
        spent = dict.fromkeys(self._groups.values(), 0.0)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            pid, parent, group = int(stat.parent.name), int(fields[1]), int(fields[2])
            name = self._groups.get(pid) or self._groups.get(
                self._database if parent == self._database else group
            )
            if name is not None and (name != "client" or pid == os.getpid()):
                spent[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return spent

    def each(self, count: int) -> str:
        """The average cost since the beginning."""
        each = {name: (now - self.before[name]) / count * 1000 for name, now in self.read().items()}
        words = " ".join(f"{name} {figure:.1f}" for name, figure in each.items())
        return f"{words} = {sum(each.values()):.1f} ms of processor each"


class Wire:
    """One connection that stays open. Answers are cut by their length."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""
        self.since = 0.0

    def send(self, request: bytes) -> None:
        self.since = time.monotonic()
        self.socket.sendall(request)

    def feed(self) -> tuple[int, bytes] | None:
        """Read what is there; gives status and body once the answer is whole."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("The server hung up.")
        self._got += data
        head, found, rest = self._got.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return None
        self._got = b""
        return int(head[9:12]), rest

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self.send(request)
        while (answer := self.feed()) is None:
            pass
        return answer


def request(path: str, body: Any = None, token: str = "") -> bytes:
    """The bytes of a GET, or of a POST with a JSON body."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


class Trader:
    """Somebody with money who buys one GPU for an hour, the day after tomorrow, again and again."""

    def __init__(self, bazaar: LiveBazaar, product: str) -> None:
        user = bazaar.user(scopes="read,write,trade")
        bazaar.remote.call(f"{FAR_END}:fund", user.name)
        self.token, self.product, self.sent = user.token, product, 0
        self.start = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)

    def order(self, price: int) -> dict[str, Any]:
        self.sent += 1
        return {
            "client_order_id": f"b{self.sent}",
            "side": "buy",
            "product": self.product,
            "gpus": 1,
            "start": self.start.isoformat(),
            "end": (self.start + timedelta(hours=1)).isoformat(),
            "limit_price": price,
        }

    def buy(self, price: int, query: str = "") -> bytes:
        return request(f"{BASE}/orders{query}", self.order(price), self.token)

    def bulk(self, price: int, count: int) -> bytes:
        return request(
            f"{BASE}/orders/bulk", {"orders": [self.order(price) for _ in range(count)]}, self.token
        )


def percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"


def flat_out(wires: list[Wire], requests: list[Callable[[], bytes]], seconds: float) -> list[float]:
    """Each wire sends its next request as soon as it has the answer to the last; gives what each took."""
    taken: list[float] = []
    stop_at = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for wire, make in zip(wires, requests, strict=True):
            selector.register(wire.socket, selectors.EVENT_READ, (wire, make))
            wire.send(make())
        while selector.get_map():
            for key, _ in selector.select():
                wire, make = key.data
                answer = wire.feed()
                if answer is None:
                    continue
                if answer[0] not in {200, 202}:
                    raise RuntimeError(f"{answer[0]}: {answer[1][:300]!r}")
                taken.append(time.monotonic() - wire.since)
                if time.monotonic() < stop_at:
                    wire.send(make())
                else:
                    selector.unregister(wire.socket)
    return taken


def paced(
    wires: list[Wire], make: Callable[[], bytes], rate: int, seconds: float
) -> tuple[float, list[float]]:
    """So many a second, whether the answers keep up or not.

    Gives answers a second, and for each how long after it was due it was known to have traded.
    """
    taken: list[float] = []
    began = time.monotonic()
    due: Iterator[float] = iter([began + number / rate for number in range(int(rate * seconds))])
    following: float | None = next(due)
    free = list(wires)
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            selector.register(wire.socket, selectors.EVENT_READ, wire)
        while following is not None or len(free) < len(wires):
            while following is not None and free and following <= time.monotonic():
                wire = free.pop()
                wire.send(make())
                wire.since = following
                following = next(due, None)
            pause = max(0.0, following - time.monotonic()) if following is not None and free else 1.0
            for key, _ in selector.select(pause):
                if (answer := key.data.feed()) is None:
                    continue
                if b'"state":"filled"' not in answer[1]:
                    raise RuntimeError(f"{answer[0]}: {answer[1][:300]!r}")
                taken.append(time.monotonic() - key.data.since)
                free.append(key.data)
    return len(taken) / (time.monotonic() - began), taken


class Stage:
    """The deployment, a product with a deep offer, and traders."""

    def __init__(self, bazaar: LiveBazaar, url: str) -> None:
        self.bazaar, self.url = bazaar, url
        self.floor = bazaar.remote.call(f"{FAR_END}:set_up")
        self.product = bazaar.remote.call(f"{FAR_END}:offer_all", self.floor)
        bazaar.start_worker("-B", "-s", str(bazaar.data / "beat"))
        self.traders = [Trader(bazaar, self.product) for _ in range(max(CLIENTS))]
        paced(self.wires(4), lambda: self.traders[0].buy(12_000_000, "?wait=30"), 10, 3)  # all is imported

    def wires(self, count: int) -> list[Wire]:
        """Fresh connections: the server ends those that were silent for longer than it keeps them."""
        return [Wire(self.bazaar.port) for _ in range(count)]

    def settle(self) -> None:
        """Until the worker has drained what was accepted."""
        processes.wait_until(
            lambda: self.bazaar.remote.call(f"{FAR_END}:waiting") == 0,
            what="the drain",
            process=self.bazaar.start_worker(),
            patience_seconds=240,
        )

    def measure_orders(self, seconds: float) -> Figures:
        """Orders one by one, and orders that trade at a steady rate."""
        healthz = request("/healthz")
        empty = flat_out(self.wires(4), [lambda: healthz] * 4, min(2.0, seconds))
        figures = {"empty": f"{len(empty) / min(2.0, seconds):,.0f} requests/s, {percentiles(empty)}"}
        for clients in CLIENTS:
            buys = [lambda trader=trader: trader.buy(600_000) for trader in self.traders[:clients]]  # type: ignore[misc]
            work = Work(self.bazaar, self.url)
            began = time.monotonic()
            taken = flat_out(self.wires(clients), buys, seconds)
            rate = len(taken) / (time.monotonic() - began)
            self.settle()
            figures[f"single_{clients}"] = f"{rate:,.0f} orders/s, {percentiles(taken)}"
            figures[f"single_{clients}_work"] = work.each(len(taken))
        turns = iter(range(10**9))
        work = Work(self.bazaar, self.url)
        rate, taken = paced(
            self.wires(WIRES_PACED),
            lambda: self.traders[next(turns) % 4].buy(12_000_000, "?wait=30"),
            TRADES_A_SECOND,
            seconds,
        )
        figures["trade"] = f"{percentiles(taken)}, {rate:,.0f} trades/s"
        figures["trade_work"] = work.each(len(taken))
        return figures

    def measure_bulk(self, count: int) -> Figures:
        """Bulks of 1,000 over HTTP, two at a time."""
        bulks = [self.traders[number % 2].bulk(600_000, 1000) for number in range(count)]
        left = iter(bulks[2:])
        began = time.monotonic()
        taken = 0
        with selectors.DefaultSelector() as selector:
            for wire, first in zip(self.wires(2), bulks[:2], strict=True):
                selector.register(wire.socket, selectors.EVENT_READ, wire)
                wire.send(first)
            while taken < count:
                for key, _ in selector.select():
                    if (answer := key.data.feed()) is None:
                        continue
                    assert answer[1].count(b'"order":') == 1000, answer[1][:300]
                    taken += 1
                    if (following := next(left, None)) is not None:
                        key.data.send(following)
        rate = 1000 * count / (time.monotonic() - began)
        self.settle()
        return {"http_bulk": f"{rate:,.0f} orders/s"}

    def measure_book(self) -> Figures:
        """Snapshots of a book in which 100,000 orders rest."""
        self.bazaar.remote.call(f"{FAR_END}:fill_book", self.floor, OPEN_ORDERS)
        self.settle()
        trader = self.traders[0]
        first, last = (f"{trader.start + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (0, 1))
        asked = request(f"{BASE}/products/{self.product}/book?start={first}&end={last}&depth=200")
        [wire] = self.wires(1)
        levels = len(json.loads(wire.ask(asked)[1])["bids"])
        taken = flat_out([wire], [lambda: asked], 2)
        open_orders = self.bazaar.remote.call(f"{FAR_END}:open_orders")
        return {
            "book": f"{percentiles(taken)}",
            "book_size": f"{open_orders:,} open orders, {levels} bids shown",
        }

    def measure_streams(self) -> Figures:
        """From an order to what 500 subscribers of one process read of it."""
        web = self.bazaar._web  # noqa: SLF001
        assert web is not None
        processes.stop(web)
        self.bazaar.env["BAZAAR_WEB_WORKERS"] = "1"
        self.bazaar.start_web()
        asked = request(f"{BASE}/products/{self.product}/stream")
        taken = []
        with selectors.DefaultSelector() as selector, ExitStack() as stack:
            began = time.monotonic()
            for _ in range(SUBSCRIBERS):
                reader = stack.enter_context(socket.create_connection(("127.0.0.1", self.bazaar.port)))
                reader.sendall(asked)
                selector.register(reader, selectors.EVENT_READ)
            _read_until_all_have(selector, b"event: snapshot")
            opened = time.monotonic() - began
            wire = Wire(self.bazaar.port)
            for _ in range(20):
                began = time.monotonic()
                wire.ask(self.traders[0].buy(12_000_000))
                _read_until_all_have(selector, b"event: delta")
                taken.append(time.monotonic() - began)
        return {"streams": f"{percentiles(taken)}; all {SUBSCRIBERS} open after {opened:.1f} s"}


def _read_until_all_have(selector: selectors.BaseSelector, words: bytes) -> None:
    missing = {key.fd: b"" for key in selector.get_map().values()}
    while missing:
        for key, _ in selector.select(30):
            assert isinstance(key.fileobj, socket.socket)
            missing_text = missing.get(key.fd, b"") + key.fileobj.recv(1 << 20)
            if words in missing_text:
                missing.pop(key.fd, None)
            elif key.fd in missing:
                missing[key.fd] = missing_text


def measure(seconds: float, *, is_durable: bool, is_whole: bool) -> Figures:
    """Start everything and measure; `is_whole` with bulks, a deep book and streams."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgres.running(is_durable=is_durable))
        bazaar = stack.enter_context(LiveBazaar(folder / "live", database_url=url, settings=LIMITS))
        stage = Stage(bazaar, url)
        figures = stage.measure_orders(seconds)
        if is_whole:
            figures |= stage.measure_bulk(10)
            figures |= stage.measure_book()
            figures |= stage.measure_streams()
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=6.0)
    parser.add_argument("--durable", action="store_true", help="flush each commit to the disk")
    parser.add_argument("--orders-only", action="store_true", help="no bulks, deep book and streams")
    chosen = parser.parse_args()
    figures = measure(chosen.seconds, is_durable=chosen.durable, is_whole=not chosen.orders_only)
    for name, figure in figures.items():
        print(f"{name:<14} {figure}")


if __name__ == "__main__":
    main()
