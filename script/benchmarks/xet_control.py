"""An upload by hf-xet to a server that does next to nothing: the control for script/benchmarks/xet.py.

The client does all that it does for a hub: it reads, cuts and hashes chunks, compresses what can be,
takes the SHA-256, and sends xorbs and a shard over HTTP. The server says yes to everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

BLOCK_BYTES = 1024 * 1024
UPLOAD = """
import sys, time, hf_xet
url, path = sys.argv[1:]
start = time.perf_counter()
expires = int(time.time()) + 3600
with hf_xet.XetSession().new_upload_commit(endpoint=url, token="t", token_expiry_unix_secs=expires) as commit:
    handle = commit.start_upload_file(path, sha256=hf_xet.COMPUTE_SHA256)
handle.result()
print(time.perf_counter() - start)
"""


class _Agreeable(BaseHTTPRequestHandler):
    """Takes in whatever is sent. With a folder it also writes it down and flushes it to the disk."""

    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path | None] = None

    def do_POST(self) -> None:
        self._take_in(int(self.headers["Content-Length"]))
        answers = {"xorbs": b'{"was_inserted":true}', "shards": b'{"result":1}', "telemetry": b"{}"}
        _, version, what, *_ = self.path.split("/")
        self._answer(answers.get(what, b"") if version == "v1" else b"")

    def do_GET(self) -> None:
        self._answer(b"")

    def _take_in(self, left: int) -> None:
        view = memoryview(bytearray(BLOCK_BYTES))
        with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
            while left and (count := self.rfile.readinto(view[: min(left, BLOCK_BYTES)])):  # type: ignore[attr-defined]
                left -= count
                if self.folder is not None:
                    file.write(view[:count])
            if self.folder is not None:
                os.fsync(file.fileno())

    def _answer(self, body: bytes) -> None:
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def _server(folder: Path | None) -> Iterator[str]:
    handler = type("Handler", (_Agreeable,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def upload_seconds(path: Path, *, folder: Path | None = None) -> float:
    """Seconds that hf-xet takes to send a file to a server that checks nothing; with a folder, it stores."""
    with _server(folder) as url, tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "HF_HOME": cache, "HF_XET_CACHE": cache}
        command = [sys.executable, "-c", UPLOAD, url, str(path)]
        return float(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
