"""A hub for tests of the agent's side alone: a real HTTP server whose answers the test decides."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


class ScriptedHub:
    """Answers each action by a function of the body: `answers["poll"] = lambda body: (200, {...})`."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "heartbeat": lambda _: (200, {"heartbeat_seconds": 20}),
            "poll": lambda _: (200, {"leases": []}),
            "events": lambda body: (
                200,
                {"results": [{"accepted": True, "code": ""} for _ in body["events"]]},
            ),
            "logs": lambda body: (200, {"expected": body["offset"] + body["size"]}),
        }
        # Bodies that are sent as they are, instead of an answer.
        self.raw: dict[str, bytes] = {}
        # Bytes for the connection of an agent that waits for wake-ups; None refuses the connection.
        self.wakes: queue.SimpleQueue[bytes] | None = None
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def bodies(self, action: str) -> list[dict[str, Any]]:
        """The bodies of the requests to one action so far."""
        with self.changed:
            return [body for asked, body, _ in self.requests if asked == action]

    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies("events") for event in body["events"]]

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 30) -> Any:
        """Until the condition holds after some request."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), self.requests[-5:]
            return condition()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                action = self.path.rpartition("/")[2]
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with hub.changed:
                    hub.requests.append((action, body, dict(self.headers)))
                    hub.changed.notify_all()
                status, answer = hub.answers[action](body)
                content = hub.raw.get(action) or json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (answer.get("headers", {}) if isinstance(answer, dict) else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                with hub.changed:
                    hub.requests.append((self.path.rpartition("/")[2], {}, dict(self.headers)))
                    hub.changed.notify_all()
                if hub.wakes is None:
                    self.send_error(503)
                    return
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: bazaar-wake/1\r\n\r\n")
                while line := hub.wakes.get():
                    self.wfile.write(line)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
