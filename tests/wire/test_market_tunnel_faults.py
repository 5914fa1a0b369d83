"""Parts of the way in are killed, and a machine behind a slow, lossy NAT is reached."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.live import LiveBazaar
from tests.wire.lossy_link import FAR, NEAR
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant, ask

HERE = Path(__file__).parent
# Run apart from the tests, whose processes refuse every other machine by themselves.
DIRECT = f"""
import socket, sys
try:
    socket.create_connection(({FAR[0]!r}, 22), timeout=3)
except OSError:
    sys.exit("unreachable")
"""


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
        live_sqlite.start_tunnels()


class TestKilled:
    def test_parts_come_back_and_the_work_is_reached_again(self, tenant: Tenant) -> None:
        """Streams that were open end; nobody has to do anything for the next ones."""
        log = tenant.agent.folder / "log"

        def reached() -> bool:
            return tenant.by_path("/")[0] == 200

        def whole(number: int) -> bool:
            status, _, body = tenant.by_path(f"/big/{number}")
            return (status, len(body)) == (200, number)

        for _ in range(2):
            tunnels = tenant.bazaar.start_tunnels()
            tunnels.kill()
            tunnels.wait()
            assert tenant.by_path("/")[0] == 503
            tenant.bazaar.start_tunnels()
            wait_for(reached, bool, log)
        # The agent is killed; the work goes on under its supervisor, and the next agent serves it.
        tenant.agent.stop(signal.SIGKILL)
        tenant.agent.start()
        wait_for(reached, bool, log)
        # Web workers are killed while large answers pass: those belong to the tunnels by then.
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(whole, 20_000_000 + number) for number in range(4)]
            for child in children(tenant.bazaar.web_pid):
                os.kill(child, signal.SIGKILL)
            outcomes = [failed_or(answer.result) for answer in answers]
        assert False not in outcomes, "an answer was cut and told as whole"
        wait_for(lambda: failed_or(reached), lambda seen: seen is True, log)

    def test_operators_see_what_the_process_holds(self, tenant: Tenant) -> None:
        """In the metrics and from the doctor; of a process that was killed nothing is left."""
        log = tenant.agent.folder / "log"
        assert tenant.by_path("/big/1000000")[0] == 200

        def metrics() -> dict[str, float]:
            _, _, body = ask(tenant.bazaar.port, "/metrics", headers={})
            rows = [line.split(" ") for line in body.decode().splitlines() if not line.startswith("#")]
            return {row[0]: float(row[-1]) for row in rows}

        def is_told(seen: dict[str, float]) -> bool:
            return (
                seen['bazaar_process_up{process="tunnels"}'] >= 1
                and seen["bazaar_tunnels_spares"] >= 4
                and seen["bazaar_tunnels_works"] >= 1
                and seen["bazaar_tunnels_nodes"] >= 1
                and seen["bazaar_tunnels_bytes_out_total"] >= 1_000_000
            )

        wait_for(metrics, is_told, log)
        said = tenant.bazaar.manage("doctor")
        assert "spares" in said
        assert "bazaar.W209" not in said

    def test_bytes_are_written_to_the_lease(self, tenant: Tenant) -> None:
        assert tenant.by_path("/big/1000000")[0] == 200
        wait_for(
            lambda: tenant.far("counted"),
            lambda seen: bool(seen) and seen["out"] >= 1_000_000 and seen["streams"] >= 1,
            tenant.agent.folder / "log",
        )


class FarAgent(AgentProcess):
    """An agent in a network namespace behind a slow link that loses packets and lets nobody in."""

    DELAY_MS, LOSS_PERCENT = 50, 1

    def __init__(self, bazaar: LiveBazaar, folder: Path) -> None:
        super().__init__(bazaar, folder)
        self.namespace = f"bazaar-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        self.helpers: list[subprocess.Popen[str]] = []
        inside = ["ip", "netns", "exec", self.namespace]
        self.helper(str(HERE / "lossy_link.py"), self.namespace, str(self.DELAY_MS), str(self.LOSS_PERCENT))
        near = self.helper(str(HERE / "relay.py"), NEAR[0], "0", "127.0.0.1", str(bazaar.port))
        # The agent speaks http with its loopback only, so the hub's address is brought there.
        far = self.helper(str(HERE / "relay.py"), "127.0.0.1", "0", NEAR[0], near, before=inside)
        self.prefix, self.hub = inside, f"http://127.0.0.1:{far}"

    def helper(self, *words: str, before: Sequence[str] = ()) -> str:
        """Start a helper; gives the first line that it prints."""
        process = subprocess.Popen([*before, sys.executable, *words], stdout=subprocess.PIPE, text=True)
        self.helpers.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def close(self) -> None:
        super().close()
        for process in reversed(self.helpers):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        subprocess.run(["ip", "netns", "del", self.namespace], check=True)


class TestFarAway:
    """100 ms there and back, one packet of a hundred lost, no connection inwards."""

    @pytest.fixture
    def far(self, live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[Tenant]:
        ports.require_tool("ip")
        if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
            pytest.skip("network namespaces and TUN devices take root and a kernel that has them")
        live_sqlite.start_tunnels()
        folder = tmp_path / "agent"
        folder.mkdir()
        agent = FarAgent(live_sqlite, folder)
        try:
            tenant = Tenant(live_sqlite, agent)
            tenant.serve()
            yield tenant
        finally:
            agent.close()

    @pytest.mark.timeout(400)
    def test_machines_are_reached_and_nothing_is_lost(self, far: Tenant) -> None:
        direct = subprocess.run(
            [sys.executable, "-I", "-c", DIRECT], capture_output=True, text=True, check=False
        )
        assert direct.stderr == "unreachable\n"
        status, _, body = far.by_path("/big/1000001")
        assert (status, len(body)) == (200, 1_000_001)
        with ThreadPoolExecutor(40) as pool:
            asked = [pool.submit(far.by_path, f"/many/{number}") for number in range(40)]
            paths = [json.loads(answer.result()[2])["path"] for answer in asked]
        assert paths == [f"/many/{number}" for number in range(40)]


def failed_or(call: object) -> bool | str:
    """The result of a call, or the error if its connection broke."""
    try:
        return bool(call())  # type: ignore[operator]
    except (OSError, ConnectionError) as error:
        return repr(error)
    except Exception as error:  # noqa: BLE001 - http.client's own, as IncompleteRead
        return repr(error)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
