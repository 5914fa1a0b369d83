"""A real container in a lease: its port, ssh into it, a restart of its agent, and its end."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar.server import processes
from tests.compute_market.runners.engines import IMAGE, Podman, make_podman, shown_cgroups
from tests.servers import ports
from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_ssh import Client, listens
from tests.wire.test_market_tunnels import Tenant, ask

INSIDE = 8080
SERVE = f"echo from the container > index.html; echo serving; exec httpd -f -p {INSIDE} -h /work"


@pytest.fixture
def podman() -> Iterator[Podman]:
    # The engine refuses a folder for its state with a path of more than 50 characters.
    with shown_cgroups() as enter, tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        yield make_podman(Path(folder), enter)


@pytest.fixture
def tenant(podman: Podman, live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[Tenant]:
    """A lease in which nothing runs yet, on a machine whose engine is a real podman."""
    live_sqlite.start_tunnels()
    live_sqlite.start_ssh()
    folder = tmp_path / "agent"
    folder.mkdir()
    agent = AgentProcess(live_sqlite, folder)
    agent.options = (
        *("--container-prefix", podman.prefix, "--container-args", podman.arguments),
        *("--container-device", "none"),
    )
    try:
        tenant = Tenant(live_sqlite, agent)
        tenant.port = INSIDE
        yield tenant
    finally:
        agent.close()


class TestAContainer:
    def test_is_reached_entered_adopted_and_removed(
        self, tenant: Tenant, podman: Podman, tmp_path: Path
    ) -> None:
        """One container for all of it, since each takes its time to start."""
        tenant.far(
            "serve",
            command=["sh", "-c", SERVE],
            serves=[{"port": INSIDE, "name": "web"}],
            environment={"OWN": "kept"},
            image=IMAGE,
        )
        client = Client(tenant, tmp_path / "ssh")
        assert client.add_key(tenant.token) == 201
        self.is_reached_by_its_port(tenant, podman)
        self.is_entered_by_ssh(client)
        self.has_its_files_by_sftp(client)
        self.forwards_its_port(client)
        self.goes_on_after_its_agent(tenant, podman, client)
        self.ends(tenant, podman)

    def is_reached_by_its_port(self, tenant: Tenant, podman: Podman) -> None:
        """On a network of its own: the port that the engine published, on the loopback alone."""
        wait_for(lambda: tenant.by_path("/")[0], lambda status: status == 200, tenant.agent.log)
        assert tenant.by_path("/index.html")[2] == b"from the container\n"
        assert tenant.by_host(tenant.link() + "&a=1", Host=tenant.host)[2] == b"from the container\n"
        (name,) = podman.names()
        assert podman("inspect", "--format", "{{.HostConfig.NetworkMode}}", name).strip() != "host"
        assert podman("port", name).strip().startswith(f"{INSIDE}/tcp -> 127.0.0.1:")

    def is_entered_by_ssh(self, client: Client) -> None:
        script = "pwd; echo $OWN; ls; cat; echo trouble >&2; cat /proc/1/cmdline | head -c 5; exit 7"
        code, out, err = client.run(script, data=b"given\n")
        assert (code, err) == (7, b"trouble\n")
        assert out == b"/work\nkept\nindex.html\ngiven\nhttpd"
        code, out, _ = client.run("echo shell > /dev/tty; exit 3", options=("-tt",))
        assert (code, b"shell" in out) == (3, True)

    def has_its_files_by_sftp(self, client: Client) -> None:
        data = bytes(range(256)) * 4096
        (client.folder / "up.bin").write_bytes(data)
        batch = client.folder / "batch"
        batch.write_text(
            f"put {client.folder / 'up.bin'} a.bin\nget /work/a.bin {client.folder / 'down.bin'}\n"
        )
        words = ["sftp", "-b", str(batch), *client.options("-P"), client.there]
        done = subprocess.run(words, capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        assert (client.folder / "down.bin").read_bytes() == data
        assert client.run("cat a.bin")[1] == data

    def forwards_its_port(self, client: Client) -> None:
        (local,) = ports.free_ports(1)
        words = ["ssh", *client.options(), "-N", "-L", f"{local}:localhost:{INSIDE}", client.there]
        process = processes.spawn(words)
        try:
            processes.wait_until(lambda: listens(local), what="ssh -L", process=process)
            assert ask(local, "/index.html", headers={})[2] == b"from the container\n"
        finally:
            processes.stop(process)

    def goes_on_after_its_agent(self, tenant: Tenant, podman: Podman, client: Client) -> None:
        (before,) = podman.names()
        tenant.agent.stop(signal.SIGKILL)
        tenant.agent.start()
        wait_for(lambda: tenant.by_path("/")[0], lambda status: status == 200, tenant.agent.log)
        assert podman.names() == [before]
        assert client.run("echo $OWN")[1] == b"kept\n"
        seen = tenant.agent.far("look", lease_id=tenant.lease)
        assert (seen["work"], seen["works"], seen["log"]) == ("running", 1, "serving\n")

    def ends(self, tenant: Tenant, podman: Podman) -> None:
        tenant.agent.far("stop", lease_id=tenant.lease)
        tenant.agent.until(tenant.lease, lambda seen: seen["work"] == "stopped")
        wait_for(podman.names, lambda names: names == [], tenant.agent.log)
        assert tenant.by_path("/")[0] != 200
