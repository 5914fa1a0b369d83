"""A server behind a front server: it tells what comes in, and sends an answer in two parts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE_SECONDS = 60.0


class Listening:
    """State of the server. `first_bytes`: some of a body came in. `go_on`: it may send the rest."""

    def __init__(self) -> None:
        self.port = 0
        self.first_bytes = threading.Event()
        self.go_on = threading.Event()


@contextmanager
def listening() -> Iterator[Listening]:
    """The server on a free port, until the block ends."""
    state = Listening()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/events"):
                self._send_events()
            else:
                self._tell(b"")

        def do_PUT(self) -> None:
            left, first = int(self.headers["Content-Length"]), b""
            while left and (data := self.rfile.read1(min(left, 65536))):
                left -= len(data)
                first = first or data[:16]
                state.first_bytes.set()
            if not left:
                self._tell(first)

        def _tell(self, body: bytes) -> None:
            """Answer with what came in: the target as written, headers, first bytes of the body."""
            headers = [[name.lower(), value] for name, value in self.headers.items()]
            text = json.dumps({"target": self.path, "headers": headers, "body": body.decode()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _send_events(self) -> None:
            """One event at once, and another when the test says so."""
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.wfile.flush()
            state.go_on.wait(PATIENCE_SECONDS)
            self.wfile.write(b"data: second\n\n")
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
