"""The way into a lease on a live server: a real agent, the tunnels' process, requests by both addresses."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers import ports
from tests.servers.live import LiveBazaar, unique
from tests.wire.test_market_agent import AgentProcess, wait_for

FAR = "tests.wire.market_tunnels"
# A tenant's server: it answers with the request it got, sends hostile answers, and echoes bytes.
SERVER = textwrap.dedent(
    """
    import http.server, json, socketserver, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path.startswith("/big/"):
                size = int(self.path[5:])
                self.send_response(200)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                for _ in range(size // 65536):
                    self.wfile.write(bytes(65536))
                self.wfile.write(bytes(size % 65536))
                return
            if self.headers.get("Upgrade") == "echo":
                self.send_response(101)
                self.send_header("Upgrade", "echo")
                self.send_header("Connection", "Upgrade")
                self.end_headers()
                self.wfile.flush()
                while data := self.connection.recv(65536):
                    self.connection.sendall(data)
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer({"path": self.path, "headers": dict(self.headers), "body": body.decode()})

        do_POST = do_GET

        def answer(self, what):
            data = json.dumps(what).encode()
            self.send_response(200)
            for name, value in [
                ("Set-Cookie", "sessionid=stolen; Domain=localhost; Path=/"),
                ("Set-Cookie", "_xsrf=1; Path=/"),
                ("Service-Worker-Allowed", "/"),
                ("X-Accel-Redirect", "/protected/secret"),
                ("Clear-Site-Data", '"cookies"'),
                ("Access-Control-Allow-Origin", "*"),
                ("Content-Type", "application/json"),
                ("Transfer-Encoding", "chunked"),
            ]:
                self.send_header(name, value)
            self.end_headers()
            for place in range(0, len(data), 100):
                piece = data[place : place + 100]
                self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
            self.wfile.write(b"0\\r\\n\\r\\n")

        def log_message(self, *words):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 1024

    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
)


class Tenant:
    """A lease with a server in it, and its holder's token."""

    def __init__(self, bazaar: LiveBazaar, agent: AgentProcess) -> None:
        self.bazaar, self.agent = bazaar, agent
        agent.start()
        log = agent.folder / "log"
        wait_for(lambda: agent.far("node_state", name=agent.node), lambda state: state == "tradable", log)
        self.lease: int = agent.far("lease", node=agent.node, gpus=1)
        agent.until(self.lease, lambda seen: seen["state"] == "active")
        self.holder = self.far("holder")
        self.token = f"mbz_{unique('tunnel')}"
        bazaar.manage("create_user", self.holder, "--token", self.token, "--scopes", "write,trade")
        (self.port,) = ports.free_ports(1)

    def far(self, function: str, **arguments: Any) -> Any:
        return self.bazaar.remote.call(f"{FAR}:{function}", lease_id=self.lease, **arguments)

    def serve(self) -> None:
        """Run the server, and wait until it is reached."""
        command = [sys.executable, "-c", SERVER, str(self.port)]
        self.far("serve", command=command, serves=[{"port": self.port, "name": "web"}], environment={})
        wait_for(lambda: self.by_path("/")[0], lambda status: status == 200, self.agent.folder / "log")

    @property
    def path(self) -> str:
        return f"/leases/{self.lease}/ports/{self.port}"

    @property
    def host(self) -> str:
        return f"{self.lease}--web.localhost:{self.bazaar.leases_port}"

    def by_path(
        self, rest: str, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask below the hub's own address with the holder's token."""
        given = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        return ask(self.bazaar.port, self.path + rest, method=method, body=body, headers=given)

    def by_host(
        self, rest: str, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask at the port's own address."""
        given = {"Host": self.host} | {name.replace("_", "-"): text for name, text in headers.items()}
        return ask(self.bazaar.leases_port, rest, method=method, body=body, headers=given)

    def link(self, port: str = "web") -> str:
        """The path and query of a signed link."""
        status, _, body = ask(
            self.bazaar.port,
            f"/api/market/v1/leases/{self.lease}/ports/{port}/links",
            method="POST",
            body=json.dumps({"hours": 1}),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        assert status == 201, body
        parts = urlsplit(json.loads(body)["url"])
        assert parts.netloc == self.host.replace("--web.", f"--{port}.")
        return f"{parts.path}?{parts.query}"


def ask(
    port: int, path: str, *, method: str = "GET", body: str | None = None, headers: dict[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.fixture
def tenant(live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[Tenant]:
    live_sqlite.start_tunnels()
    folder = tmp_path / "agent"
    folder.mkdir()
    agent = AgentProcess(live_sqlite, folder)
    try:
        tenant = Tenant(live_sqlite, agent)
        tenant.serve()
        yield tenant
    finally:
        agent.close()


class TestAddresses:
    def test_by_path_and_by_host(self, tenant: Tenant) -> None:
        self.by_path(tenant)
        self.by_host(tenant)
        self.refused(tenant)
        self.large_and_upgraded(tenant)

    def by_path(self, tenant: Tenant) -> None:
        """Nothing of the hub's goes in, nothing that could act as the hub comes out."""
        status, headers, body = tenant.by_path(
            "/a/b?c=%2F&d=1",
            method="POST",
            body="hello",
            Cookie="sessionid=secret; csrftoken=x",
            X_Forwarded_For="192.0.2.66",
        )
        seen = json.loads(body)
        assert seen["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert (status, seen["path"], seen["body"]) == (200, "/a/b?c=%2F&d=1", "hello")
        names = {name.lower() for name in seen["headers"]}
        assert not names & {"cookie", "authorization", "x-bazaar-token"}
        assert tenant.token not in body.decode()
        assert "sandbox allow-scripts" in headers["Content-Security-Policy"]
        assert "allow-same-origin" not in headers["Content-Security-Policy"]
        for name in ("Set-Cookie", "Service-Worker-Allowed", "X-Accel-Redirect", "Clear-Site-Data"):
            assert name not in headers
        assert "Access-Control-Allow-Origin" not in headers

    def by_host(self, tenant: Tenant) -> None:
        """An origin of its own: its cookies stay, for that host alone."""
        link = tenant.link()
        status, headers, _ = tenant.by_host(link, Accept="text/html")
        assert (status, headers["Location"]) == (303, "/")
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly" in headers["Set-Cookie"]
        status, headers, body = tenant.by_host("/x", Cookie=f"{cookie}; _xsrf=2", Authorization="token own")
        seen = json.loads(body)["headers"]
        assert (status, seen["Cookie"], seen["Authorization"]) == (200, "_xsrf=2", "token own")
        assert headers.get_all("Set-Cookie") == ["sessionid=stolen; Path=/", "_xsrf=1; Path=/"]
        assert "X-Accel-Redirect" not in headers
        # A page of another lease, or of another site, acts with nobody's cookie.
        neighbour = f"http://{tenant.lease + 1}--web.localhost:{tenant.bazaar.leases_port}"
        for origin in (neighbour, "https://example.org"):
            assert tenant.by_host("/x", Cookie=cookie, Origin=origin)[0] == 403
        assert tenant.by_host("/x", Cookie=cookie, Origin=f"http://{tenant.host}")[0] == 200
        # A token works without any cookie, and goes no further.
        status, _, body = tenant.by_host("/y", Authorization=f"Bearer {tenant.token}")
        assert (status, tenant.token in body.decode()) == (200, False)

    def refused(self, tenant: Tenant) -> None:
        """Others' tokens, no token, links for other ports, ports that were not declared."""
        stranger = tenant.bazaar.user(scopes="write,trade").token
        assert tenant.by_path("/", Authorization=f"Bearer {stranger}")[0] == 404
        assert tenant.by_path("/", Authorization="Bearer mbz_nobody")[0] == 401
        assert tenant.by_host("/", Authorization=f"Bearer {stranger}")[0] == 404
        assert tenant.by_host("/")[0] == 401
        status, headers, _ = tenant.by_host("/lab?x=1", Accept="text/html")
        assert status == 303
        assert headers["Location"] == f"{tenant.bazaar.url}/leases/{tenant.lease}/ports/web/lab?x=1"
        word = tenant.link().partition("bazaar-grant=")[2]
        assert tenant.by_host(f"/?bazaar-grant={word[:-2]}xx")[0] == 403
        # However its name is written, the tenant does not get it, and the rest stays as it was.
        for name in ("bazaar-grant", "bazaar%2Dgrant", "%62azaar-grant"):
            status, _, body = tenant.by_host(f"/?a=%2F&{name}={word}&b")
            assert (status, json.loads(body)["path"]) == (200, "/?a=%2F&b")
        other = {"Host": f"{tenant.lease}--{tenant.port}.localhost:{tenant.bazaar.leases_port}"}
        assert ask(tenant.bazaar.leases_port, f"/?bazaar-grant={word}", headers=other)[0] == 403
        undeclared = f"/leases/{tenant.lease}/ports/22/"
        auth = {"Authorization": f"Bearer {tenant.token}"}
        assert ask(tenant.bazaar.port, undeclared, headers=auth)[0] == 404
        assert ask(tenant.bazaar.leases_port, "/", headers={"Host": "hub.example.org"})[0] == 404
        # Without a token a person is asked to sign in.
        assert ask(tenant.bazaar.port, tenant.path + "/", headers={"Accept": "text/html"})[0] == 302

    def large_and_upgraded(self, tenant: Tenant) -> None:
        status, _, body = tenant.by_path("/big/30000001")
        assert (status, len(body)) == (200, 30_000_001)
        end = socket.create_connection(("127.0.0.1", tenant.bazaar.leases_port), timeout=30)
        head = f"GET / HTTP/1.1\r\nHost: {tenant.host}\r\nX-Bazaar-Token: {tenant.token}\r\n"
        end.sendall(f"{head}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += end.recv(4096)
        assert b" 101 " in answer
        end.sendall(b"ping" * 1000)
        echoed = answer.partition(b"\r\n\r\n")[2]
        while len(echoed) < 4000:
            echoed += end.recv(4096)
        assert echoed == b"ping" * 1000
        end.close()
