"""A real JupyterLab in a lease, as its button starts it, and a kernel that answers over a WebSocket."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_market.leases.starters import all_starters
from tests.servers.clients import jupyter_environment
from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant, ask

CLIENT = Path(__file__).with_name("notebook_client.py")


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


class TestNotebook:
    def test_runs_python_for_everybody_with_the_link(self, tenant: Tenant) -> None:
        environment = jupyter_environment()
        starter = next(starter for starter in all_starters() if starter.id == "jupyterlab")
        program, *words = starter.process["command"]
        tenant.far(
            "serve",
            command=[str(environment / "bin" / program), *words],
            serves=starter.process["serves"],
            environment={"PATH": f"{environment / 'bin'}:/usr/bin:/bin"},
        )
        port = str(starter.opens)
        path = f"/leases/{tenant.lease}/ports/{port}/api"
        headers = {"Authorization": f"Bearer {tenant.token}"}
        wait_for(
            lambda: ask(tenant.bazaar.port, path, headers=headers)[0],
            lambda status: status == 200,
            tenant.agent.folder / "log",
        )
        host = f"{tenant.lease}--{port}.localhost:{tenant.bazaar.leases_port}"
        link = tenant.link(port)
        done = subprocess.run(
            [environment / "bin" / "python", CLIENT, str(tenant.bazaar.leases_port), host, link],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        seen = json.loads(done.stdout)
        assert seen == {"entered": 303, "page": 200, "lab": True, "printed": "42\n"}
