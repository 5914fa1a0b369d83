"""The button for VS Code: its exact command, with a stand-in of code-server's name, through the tunnel.

code-server itself is not among the requirements: it is no Python package, and is built where it is installed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_market.leases.starters import all_starters
from tests.servers.live import LiveBazaar
from tests.wire import standins
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant, ask

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@pytest.fixture
def tenant(live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[Tenant]:
    live_sqlite.start_tunnels()
    folder = tmp_path / "agent"
    folder.mkdir()
    agent = AgentProcess(live_sqlite, folder)
    try:
        yield Tenant(live_sqlite, agent)
    finally:
        agent.close()


class Channel:
    """A WebSocket (RFC 6455) to a port's own address, as the editor's page opens it."""

    def __init__(self, tenant: Tenant, host: str, cookie: str, *, origin: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", tenant.bazaar.leases_port), timeout=60)
        key = base64.b64encode(os.urandom(16))
        lines = [
            "GET /stable/channel?reconnectionToken=1 HTTP/1.1",
            *(f"Host: {host}", f"Origin: {origin}", f"Cookie: {cookie}"),
            *("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
            f"Sec-WebSocket-Key: {key.decode()}",
        ]
        self.connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.connection.recv(1)
        self.status = int(head.split(b" ")[1])
        self.accepted = base64.b64encode(hashlib.sha1(key + GUID).digest()) in head  # noqa: S324 - the protocol's

    def echoed(self, text: bytes) -> bytes:
        """The echo of a text of 126 to 65,535 bytes."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
        self.connection.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + mask + masked)
        answer = b""
        while len(answer) < 4 + len(text):
            piece = self.connection.recv(65536)
            assert piece
            answer += piece
        assert answer[:4] == b"\x81\x7e" + len(text).to_bytes(2, "big")
        return answer[4:]


class TestEditor:
    def test_serves_its_page_and_its_channel_at_its_own_address(self, tenant: Tenant, tmp_path: Path) -> None:
        starter = next(starter for starter in all_starters() if starter.id == "vscode")
        command = starter.process["command"]
        standins.install(tmp_path / "bin", command[0], standins.CODE_SERVER)
        serves, port = starter.process["serves"], str(starter.opens)
        path = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
        tenant.far("serve", command=command, serves=serves, environment=path)
        wait_for(
            lambda: ask(
                tenant.bazaar.port,
                f"/leases/{tenant.lease}/ports/{port}/",
                headers={"Authorization": f"Bearer {tenant.token}"},
            )[0],
            lambda status: status == 200,
            tenant.agent.folder / "log",
        )
        host = f"{tenant.lease}--{port}.localhost:{tenant.bazaar.leases_port}"
        entered, headers, _ = ask(
            tenant.bazaar.leases_port, tenant.link(port), headers={"Host": host, "Accept": "text/html"}
        )
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, _, page = ask(tenant.bazaar.leases_port, "/", headers={"Host": host, "Cookie": cookie})
        (home,) = tenant.agent.folder.glob("work/*/work")
        assert (entered, status) == (303, 200)
        assert json.loads(page) == {"folder": str(home.resolve()), "telemetry": False}

        channel = Channel(tenant, host, cookie, origin=f"http://{host}")
        assert (channel.status, channel.accepted) == (101, True)
        for size in (126, 65_535):
            text = os.urandom(size)
            assert channel.echoed(text) == text
        channel.connection.close()
        # Another site's page has the cookie, too, and gets no channel.
        stranger = Channel(tenant, host, cookie, origin="https://example.org")
        assert stranger.status == 403
        stranger.connection.close()
