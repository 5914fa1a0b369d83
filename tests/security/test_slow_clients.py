"""A thousand connections that are slow, idle or deaf, beside ordinary clients, without a front server.

Rates are compared with those of the same clients and the same moment without the thousand.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from huggingface_hub import HfApi

from tests.servers.live import LiveBazaar, unique

CLIENTS = 16
RATE_MIN = 0.8
PERIOD_SECONDS = 1.5
ROUNDS_MAX = 5
MIB = 1 << 20


class Ordinary:
    """Sixteen clients that ask as fast as they are answered, and a probe of `/healthz`."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path

    def per_second(self) -> float:
        """The number of answered requests a second, of all clients together."""
        counts = [0] * CLIENTS
        over = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(counts, place, over)) for place in range(CLIENTS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        over.wait(PERIOD_SECONDS)
        over.set()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - started)

    def _ask(self, counts: list[int], place: int, over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            while not over.is_set():
                connection.request("GET", self.path)
                response = connection.getresponse()
                response.read()
                assert response.status == 200
                counts[place] += 1

    @contextmanager
    def probed(self, latencies: list[float]) -> Iterator[None]:
        """Meanwhile, ask for `/healthz` on a new connection every tenth of a second."""
        over = threading.Event()

        def probe() -> None:
            while not over.wait(0.1):
                started = time.perf_counter()
                assert httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=60).status_code == 200
                latencies.append(time.perf_counter() - started)

        thread = threading.Thread(target=probe)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Slow:
    """A thousand connections of five kinds."""

    def __init__(self, port: int, repo_id: str) -> None:
        head = f"POST /{repo_id}.git/git-upload-pack HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        head += "Content-Type: application/x-git-upload-pack-request\r\n"
        download = f"GET /{repo_id}/resolve/main/large.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        large = f"{head}Content-Length: {40 * MIB}\r\n\r\n0032".encode() + bytes(300_000)
        self.kinds = {
            "nothing": (300, b""),
            "half a head": (250, b"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "),
            "a byte a second": (200, b"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "),
            "a small body that stops": (136, f"{head}Content-Length: 1000\r\n\r\n0032".encode()),
            "a large body that stops": (50, large),
            "a download that is not read": (64, download.encode()),
        }
        self.port = port
        self.sockets: list[socket.socket] = []
        self.dripping: list[socket.socket] = []
        self._over = threading.Event()
        self._drip = threading.Thread(target=self._send_bytes)

    def __enter__(self) -> None:
        for kind, (count, sent) in self.kinds.items():
            opened = [self._open(sent) for _ in range(count)]
            self.sockets += opened
            if kind == "a byte a second":
                self.dripping = opened
        assert len(self.sockets) == 1000
        self._drip.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._drip.join()
        for connection in self.sockets:
            connection.close()

    def _open(self, sent: bytes) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", self.port))
        # The client does not wait until the server has taken all bytes.
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(sent)
        return connection

    def _send_bytes(self) -> None:
        while not self._over.wait(1.0):
            for connection in self.dripping:
                with contextlib.suppress(OSError):
                    connection.send(b"x")


# Random: the client remembers chunks by the server's address, which another run's server may have had.
LARGE = os.urandom(24 * MIB)


@pytest.fixture
def files() -> Iterator[None]:
    """Room for a thousand sockets in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def repo_id(live_sqlite: LiveBazaar) -> str:
    """A public model with a file that is larger than what sockets hold."""
    alice = live_sqlite.alice
    made = f"{alice.name}/{unique('slow')}"
    api = HfApi(endpoint=live_sqlite.url, token=alice.token)
    api.create_repo(made)
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="large.bin", repo_id=made)
    return made


@pytest.mark.usefixtures("files")
class TestAThousandSlowConnections:
    def test_leave_ordinary_clients_their_rate(self, live_sqlite: LiveBazaar, repo_id: str) -> None:
        ordinary = Ordinary(live_sqlite.port, f"/api/models/{repo_id}")
        ordinary.per_second()
        alone, beside = 0.0, 0.0
        probes_alone: list[float] = []
        probes_beside: list[float] = []
        # The machine's own speed changes: turns about, until the sums say it, or never do.
        for _ in range(ROUNDS_MAX):
            with ordinary.probed(probes_alone):
                alone += ordinary.per_second()
            with Slow(live_sqlite.port, repo_id):
                # The downloads among them are begun first: that is work like any other.
                ordinary.per_second()
                with ordinary.probed(probes_beside):
                    beside += ordinary.per_second()
            if beside >= RATE_MIN * alone:
                break
        assert beside >= RATE_MIN * alone, f"{beside / alone:.2f} of the rate"
        assert max(probes_beside) < max(1.0, 2 * max(probes_alone)), f"{max(probes_beside):.1f} s"

    def test_do_not_keep_an_upload_or_a_download_out(self, live_sqlite: LiveBazaar, repo_id: str) -> None:
        api = HfApi(endpoint=live_sqlite.url, token=live_sqlite.alice.token)
        with Slow(live_sqlite.port, repo_id):
            api.upload_file(path_or_fileobj=b"x" * (2 * MIB), path_in_repo="new.txt", repo_id=repo_id)
            answer = httpx.get(f"{live_sqlite.url}/{repo_id}/resolve/main/large.bin", timeout=60)
        assert answer.content == LARGE


class TestBrokenBodies:
    @pytest.mark.parametrize("size", [10, 500_000])
    def test_are_refused_and_not_taken_for_a_crash(
        self, live_sqlite: LiveBazaar, repo_id: str, size: int
    ) -> None:
        logged = live_sqlite.log_path.stat().st_size
        with socket.create_connection(("127.0.0.1", live_sqlite.port), timeout=60) as connection:
            head = f"POST /{repo_id}.git/git-upload-pack HTTP/1.1\r\nHost: 127.0.0.1:{live_sqlite.port}\r\n"
            head += (
                "Content-Type: application/x-git-upload-pack-request\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            connection.sendall(head.encode() + b"%x\r\n" % size + bytes(size) + b"\r\n0x3\r\nabc\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        with live_sqlite.log_path.open("rb") as log:
            log.seek(logged)
            assert b"Traceback" not in log.read()
