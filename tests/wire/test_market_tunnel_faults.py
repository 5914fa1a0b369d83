"""Parts of the way in are killed, and a machine behind a slow, lossy NAT is reached."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant


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
        if agent.process is not None and agent.process.poll() is None:
            agent.stop(signal.SIGTERM)
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

    def test_bytes_are_written_to_the_lease(self, tenant: Tenant) -> None:
        assert tenant.by_path("/big/1000000")[0] == 200
        wait_for(
            lambda: tenant.far("counted"),
            lambda seen: bool(seen) and seen["out"] >= 1_000_000 and seen["streams"] >= 1,
            tenant.agent.folder / "log",
        )


def failed_or(call: object) -> bool | str:
    """What a call says, or that its connection broke, which its caller notices."""
    try:
        return bool(call())  # type: ignore[operator]
    except (OSError, ConnectionError) as error:
        return repr(error)
    except Exception as error:  # noqa: BLE001 - http.client's own, as IncompleteRead
        return repr(error)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
