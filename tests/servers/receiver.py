"""A local HTTP server that keeps what webhooks send it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_S = 30


@dataclass
class Call:
    """One request that came in."""

    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receiver:
    """`answers` are the statuses of the next answers; 200 when there are none left."""

    url: str = ""
    calls: queue.Queue[Call] = field(default_factory=queue.Queue)
    answers: list[int] = field(default_factory=list)

    def next(self) -> Call:
        """The next call, waited for. Raises: queue.Empty after 30 seconds."""
        return self.calls.get(timeout=WAIT_S)

    def next_where(self, action: str, scope: str) -> Call:
        """The next call about that, however many others come before it."""
        while True:
            call = self.next()
            if call.body["event"] == {"action": action, "scope": scope}:
                return call


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            body = b"thanks"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            receiver.calls.put(Call(dict(self.headers), raw))

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
