"""The market's stream on a live server: snapshot, deltas, resume; and threads stay free."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.servers.live import LiveBazaar, unique

BASE = "/api/market/v1"


class Stream:
    """One event source, read by hand."""

    def __init__(self, bazaar: LiveBazaar, path: str, last: int | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", bazaar.port), timeout=30)
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

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def product(live_sqlite: LiveBazaar) -> str:
    live_sqlite.manage("seed_market")
    answer = httpx.get(f"{live_sqlite.url}{BASE}/products", params={"gpu": "h100"})
    return str(answer.json()["items"][0]["product"])


class TestStream:
    def test_gives_a_snapshot_and_goes_on(self, live_sqlite: LiveBazaar, product: str) -> None:
        trader = live_sqlite.user(scopes="write,trade")
        live_sqlite.start_worker()
        live_sqlite.manage("deposit", trader.name, "1000000")
        stream = Stream(live_sqlite, f"{BASE}/products/{product}/stream")
        try:
            [(number, name, body)] = stream.events(1)
            assert (name, body["product"]) == ("snapshot", product)
            assert b"text/event-stream" in stream.text
            start = (datetime.now(UTC) + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
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

    def test_keeps_threads_free_for_others(self, live_sqlite: LiveBazaar, product: str) -> None:
        streams = [Stream(live_sqlite, f"{BASE}/products/{product}/stream") for _ in range(150)]
        try:
            for stream in streams:
                assert stream.events(1)[0][1] == "snapshot"
            for _ in range(20):
                assert httpx.get(f"{live_sqlite.url}/healthz", timeout=10).status_code == 200
        finally:
            for stream in streams:
                stream.close()
