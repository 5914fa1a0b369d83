"""`market watch` goes on where it was, however often the connection is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread
from typing import Any

import pytest

from bazaar_client import changes
from bazaar_client.market import Market, MarketError

Answer = tuple[int, bytes]


def event(number: int, name: str = "change") -> bytes:
    body = json.dumps({"number": number}).encode()
    return f"id: {number}\nevent: {name}\ndata: ".encode() + body + b"\n\n"


@pytest.fixture
def hub() -> Iterator[Callable[..., tuple[Market, list[str | None]]]]:
    """A hub that gives each connection its answer and then ends it, and what each wanted to go on from."""
    started: list[ThreadingHTTPServer] = []

    def serve(*answers: Answer) -> tuple[Market, list[str | None]]:
        left, asked = list(answers), list[str | None]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers["Last-Event-ID"])
                status, body = left.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Tests are silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return Market(f"http://127.0.0.1:{server.server_port}", "token"), asked

    yield serve
    for server in started:
        server.shutdown()
        server.server_close()


class TestFollowing:
    def test_goes_on_behind_the_last_change(
        self, hub: Callable[..., tuple[Market, list[str | None]]]
    ) -> None:
        cut_off = b"id: 9\nevent: change\ndata: {"
        market, asked = hub(
            (200, event(7, "start") + b": heartbeat\n\n" + event(8) + cut_off),
            (503, b"{}"),
            (200, b""),
            (200, event(9) + event(10)),
        )
        found = list(islice(changes.follow(market), 4))
        assert [(each.number, each.name) for each in found] == [
            (7, "start"),
            (8, "change"),
            (9, "change"),
            (10, "change"),
        ]
        assert asked == [None, "8", "8", "8"]

    def test_begins_behind_a_number(self, hub: Callable[..., tuple[Market, list[str | None]]]) -> None:
        market, asked = hub((200, event(5)))
        assert next(changes.follow(market, after=4)).body == {"number": 5}
        assert asked == ["4"]

    def test_ends_when_the_hub_says_no(self, hub: Callable[..., tuple[Market, list[str | None]]]) -> None:
        refusal = json.dumps({"code": "invalid_token", "detail": "No."}).encode()
        market, _ = hub((200, event(1, "start")), (401, refusal))
        following = changes.follow(market)
        next(following)
        with pytest.raises(MarketError) as refused:
            next(following)
        assert (refused.value.status, refused.value.code) == (401, "invalid_token")

    def test_gives_up_on_a_hub_that_is_gone(
        self, hub: Callable[..., tuple[Market, list[str | None]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "RECONNECTS", 2)
        market, asked = hub((200, event(1, "start")), *[(200, b"")] * 4)
        with pytest.raises(OSError, match="ends the stream"):
            list(changes.follow(market))
        assert len(asked) == 3
        with pytest.raises(OSError, match="refused"):
            next(changes.follow(Market("http://127.0.0.1:9")))
