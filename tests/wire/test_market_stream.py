"""The market's stream on a live server: snapshot, deltas, resume; and threads stay free."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bazaar.server import processes
from tests.clock import moment
from tests.servers.live import LiveBazaar, unique

BASE = "/api/market/v1"
ESTABLISHED = "01"


class Stream:
    """One event source, read by hand."""

    def __init__(
        self, bazaar: LiveBazaar, path: str, last: int | None = None, *, receive_bytes: int = 0
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(30)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect(("127.0.0.1", bazaar.port))
        resume = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        # As a browser's EventSource asks.
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{bazaar.port}\r\nAccept: text/event-stream\r\n"
        self.socket.sendall(f"{head}{resume}\r\n".encode())
        self.text = b""

    def events(self, count: int) -> list[tuple[int, str, dict[str, object]]]:
        while self.text.count(b"\ndata: ") < count:
            data = self.socket.recv(65536)
            assert data, self.text
            self.text += data
        found = []
        for block in self.text.split(b"\n\n"):
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"data" in fields:
                found.append((int(fields[b"id"]), fields[b"event"].decode(), json.loads(fields[b"data"])))
        return found

    def has_ended(self) -> bool:
        """True if the server has closed its end, by the kernel's table of connections; this reads no data."""
        ports = [f"{self.socket.getpeername()[1]:04X}", f"{self.socket.getsockname()[1]:04X}"]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if [local.partition(":")[2], remote.partition(":")[2]] == ports:
                return state != ESTABLISHED
        return True

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def product(live_sqlite: LiveBazaar) -> str:
    live_sqlite.manage("seed_market")
    answer = httpx.get(f"{live_sqlite.url}{BASE}/products", params={"gpu": "h100"})
    return str(answer.json()["items"][0]["product"])


@pytest.fixture
def worker(live_sqlite: LiveBazaar) -> Iterator[None]:
    with live_sqlite.worker():
        yield


class TestStream:
    @pytest.mark.usefixtures("worker")
    def test_gives_a_snapshot_and_goes_on(self, live_sqlite: LiveBazaar, product: str) -> None:
        trader = live_sqlite.user(scopes="write,trade")
        live_sqlite.manage("deposit", trader.name, "1000000")
        stream = Stream(live_sqlite, f"{BASE}/products/{product}/stream")
        try:
            [(number, name, body)] = stream.events(1)
            assert (name, body["product"]) == ("snapshot", product)
            assert b"text/event-stream" in stream.text
            start = (moment() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
            ticker = httpx.get(f"{live_sqlite.url}{BASE}/products/{product}/ticker").json()
            order = {
                "client_order_id": unique("c"),
                "side": "buy",
                "product": product,
                "gpus": 8,
                "start": start.isoformat(),
                "end": (start + timedelta(hours=2)).isoformat(),
                "limit_price": ticker["index_micros"],
            }
            headers = {"Authorization": f"Bearer {trader.token}"}
            placed = httpx.post(
                f"{live_sqlite.url}{BASE}/orders",
                params={"wait": 20},
                json=order,
                headers=headers,
                timeout=40,
            )
            assert (placed.status_code, placed.json()["state"]) == (200, "open"), placed.text
            later, name, body = stream.events(2)[1]
            assert (name, later > number) == ("delta", True)
            assert body["levels"]
            resumed = Stream(live_sqlite, f"{BASE}/products/{product}/stream", last=number)
            assert resumed.events(1)[0][:2] == (later, "delta")
            resumed.close()
        finally:
            stream.close()


class TestManySubscribers:
    """Five hundred on one process of the web server."""

    COUNT = 500

    @pytest.fixture
    def one_process(self, make_bazaar: Callable[..., LiveBazaar]) -> LiveBazaar:
        limits = {"BAZAAR_MARKET_RATE_ANONYMOUS": "1000000", "BAZAAR_MARKET_OPEN_ORDERS_MAX": "1000000"}
        bazaar = make_bazaar(BAZAAR_WEB_WORKERS="1", **limits)
        bazaar.manage("seed_market")
        bazaar.start_worker()
        return bazaar

    @pytest.mark.timeout(300)
    def test_hear_of_an_order_while_one_that_never_reads_is_cut_off(self, one_process: LiveBazaar) -> None:
        trader = one_process.user(scopes="write,trade")
        one_process.manage("deposit", trader.name, "1000000")
        items = httpx.get(f"{one_process.url}{BASE}/products", params={"gpu": "h100"}).json()["items"]
        quiet, busy = items[0], items[1]
        for item in (quiet, busy):
            ticker = httpx.get(f"{one_process.url}{BASE}/products/{item['product']}/ticker").json()
            item["index_micros"] = ticker["index_micros"]
        streams = [
            Stream(one_process, f"{BASE}/products/{quiet['product']}/stream") for _ in range(self.COUNT)
        ]
        deaf = Stream(one_process, f"{BASE}/products/{busy['product']}/stream", receive_bytes=4096)
        try:
            for stream in streams:
                assert stream.events(1)[0][1] == "snapshot"
            with httpx.Client(headers={"Authorization": f"Bearer {trader.token}"}, timeout=60) as client:
                placed = client.post(
                    f"{one_process.url}{BASE}/orders", params={"wait": 30}, json=self.order(quiet, 0)
                )
                assert placed.json()["state"] == "open", placed.text
                for stream in streams:
                    assert stream.events(2)[1][1] == "delta"
                for number in range(8):
                    wanted = [self.order(busy, 1 + number * 500 + place) for place in range(500)]
                    answer = client.post(f"{one_process.url}{BASE}/orders/bulk", json={"orders": wanted})
                    refused = [result for result in answer.json()["results"] if "error" in result]
                    assert refused == []
            processes.wait_until(
                deaf.has_ended,
                what="the end of a stream that nobody reads",
                process=one_process.start_worker(),
            )
            assert httpx.get(f"{one_process.url}/healthz", timeout=10).status_code == 200
        finally:
            for stream in (*streams, deaf):
                stream.close()

    @staticmethod
    def order(product: dict[str, object], number: int) -> dict[str, object]:
        """A bid that comes to rest on a level of its own."""
        tomorrow = (moment() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
        start = tomorrow + timedelta(hours=number % 100)
        tick = int(str(product["tick_micros"]))
        price = int(str(product["index_micros"])) // 2 // tick * tick - number // 100 * tick
        return {
            "client_order_id": f"c{number}",
            "side": "buy",
            "product": product["product"],
            "gpus": product["lot"],
            "start": start.isoformat(),
            "end": (start + timedelta(hours=1)).isoformat(),
            "limit_price": price,
        }
