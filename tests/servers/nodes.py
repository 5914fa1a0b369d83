"""Web nodes of one hub, each with a port of its own, and nginx in front of them with deploy/nginx.conf."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bazaar.server import processes
from tests.servers import ports
from tests.servers.live import LiveBazaar
from tests.servers.remote import ROOT
from tests.waiting import until

MIME_TYPES = "include /etc/nginx/mime.types;"


class Node:
    """One web node. It shares database, Redis and data folder with the others of the bazaar."""

    def __init__(self, bazaar: LiveBazaar, port: int, folder: Path, **settings: str) -> None:
        self.port, self.folder = port, folder
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **bazaar.env,
            "BAZAAR_BIND": f"127.0.0.1:{port}",
            "BAZAAR_RUN_DIR": str(folder / "run"),
            "BAZAAR_WEB_WORKERS": "1",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it is ready."""
        with (self.folder / "log").open("ab") as log:
            self._process = processes.spawn(
                [sys.executable, "-m", "bazaar.server.web"], output=log, env=self.env, cwd=ROOT
            )
        processes.wait_until(
            lambda: self.readiness() == 200, what=f"a node ({self.folder}/log)", process=self.process
        )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def readiness(self) -> int:
        """The status of /readyz; 0 where nobody answers."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30).status_code
        except httpx.TransportError:
            return 0

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop it as an operator does; returns when it has ended. Asserts that it drained first."""
        self.ask_to_stop()
        seen = until(lambda: self.readiness() if self.readiness() != 200 else None)
        assert seen in {0, 503}
        assert self.process.wait(120) == 0

    def kill(self) -> None:
        if self._process is not None:
            processes.stop(self._process)

    def manage(self, *words: str) -> str:
        """Run a command on this node, as its own process; gives what it printed."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def front(nodes: list[Node], folder: Path) -> Iterator[str]:
    """nginx before the nodes, for the block; gives its address. It asks a node again that has refused."""
    program = ports.require_tool("nginx")
    [port] = ports.free_ports(1)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = " ".join(f"server 127.0.0.1:{node.port} max_fails=0;" for node in nodes)
    words = {
        "server web:8000;": servers,
        "server tunnels:8001;": "server 127.0.0.1:1;",
        "listen 80 default_server;": f"listen 127.0.0.1:{port} default_server;",
        "listen 80;": f"listen 127.0.0.1:{port};",
        MIME_TYPES: "" if not Path("/etc/nginx/mime.types").exists() else MIME_TYPES,
        "worker_processes auto;": "worker_processes 1;",
    }
    for word, other in words.items():
        assert word in text, word
        text = text.replace(word, other)
    # The workers read and write the test's own folders, which other users may not.
    user = "user root;\n" if os.getuid() == 0 else ""
    folder.mkdir()
    (folder / "nginx.conf").write_text(f"{user}pid {folder}/pid;\n{text}")
    with (folder / "log").open("wb") as log:
        words_of_nginx = [program, "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
        process = processes.spawn(words_of_nginx, output=log, env={"PATH": "/usr/bin:/bin"})
    try:
        processes.wait_until(
            lambda: processes.answers_http("127.0.0.1", port, "/healthz"),
            what=f"nginx ({folder}/log)",
            process=process,
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        processes.stop(process)
