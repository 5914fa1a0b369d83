"""A receiver of traces on loopback: it decodes what a hub sends by OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECONDS_MAX = 60


class Receiver:
    """The spans that have come, and the bodies that they came in."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self._spans: list[Span] = []
        self._came = threading.Condition()

    def take(self, body: bytes) -> None:
        """Decode one request."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._came:
            self.bodies.append(body)
            for group in request.resource_spans:
                for scope in group.scope_spans:
                    self._spans.extend(scope.spans)
            self._came.notify_all()

    def wait_for(self, *names: str, matching: Callable[[Span], bool] = lambda _: True) -> dict[str, Span]:
        """The first span of each name that matches, as soon as all have come."""

        def found() -> dict[str, Span]:
            return {
                span.name: span for span in reversed(self._spans) if span.name in names and matching(span)
            }

        with self._came:
            have_all = self._came.wait_for(lambda: found().keys() == set(names), SECONDS_MAX)
            assert have_all, f"came: {sorted({span.name for span in self._spans})}"
            return found()

    def wait_for_above(self, span: Span, *starts: str) -> None:
        """Wait until, for each start, a span that this one is a part of has a name that begins so.

        Processes send their spans separately, and a span is sent after all that it holds.
        """

        def above() -> list[str]:
            trace = {one.span_id: one for one in self._spans if one.trace_id == span.trace_id}
            names, parent = [], span.parent_span_id
            while parent in trace:
                names.append(trace[parent].name)
                parent = trace[parent].parent_span_id
            return names

        with self._came:
            have_all = self._came.wait_for(
                lambda: all(any(name.startswith(start) for name in above()) for start in starts), SECONDS_MAX
            )
            assert have_all, f"came above {span.name}: {above()}"

    def all(self) -> list[Span]:
        """All spans until now."""
        with self._came:
            return list(self._spans)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens while the block runs."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
