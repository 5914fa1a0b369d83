"""Works, streams and restarts over and over: nothing grows.

A few rounds here; `script/soak 10` goes on for as many minutes as you like, and prints what it saw.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from compute_market.runners.tunnels import CONNECTORS
from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant

SECONDS = float(os.environ.get("BAZAAR_TEST_SOAK_SECONDS", "8"))
VISITS, AT_ONCE = 40, 8
MEGABYTE = 1024 * 1024
# Every so many rounds a part is restarted. The counts of an agent begin anew then, so they are also compared
# within its life.
AGENT_EVERY, TUNNELS_EVERY, HUB_EVERY = (15, 40, 70) if SECONDS > 60 else (2, 3, 5)
LIFE_ROUNDS_LEAST = 9
# Allowed differences between rounds; a larger one over the whole run counts as growth.
FILES_MORE, THREADS_MORE, PROCESSES_MORE = 12, 12, 1
# The agent's two pools for connecting fill up gradually, beside a few threads of its own.
AGENT_THREADS_MOST = 2 * CONNECTORS + 8
MEMORY_TIMES, MEMORY_MORE = 1.15, 12 * MEGABYTE
LOG_BYTES_A_ROUND = 8 * 1024

Sample = dict[str, float]


def look(name: str, process: psutil.Process) -> Sample:
    """Open files, threads, memory and number of a process and those below it."""
    found: Sample = {f"{name} {what}": 0 for what in ("files", "threads", "memory", "processes")}
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[f"{name} files"] += each.num_fds()
            found[f"{name} threads"] += each.num_threads()
            found[f"{name} memory"] += each.memory_info().rss
            found[f"{name} processes"] += 1
    return found


def grown(samples: list[Sample]) -> list[str]:
    """The quantities of which the last third of the samples has more than the first third."""
    third = max(1, len(samples) // 3)
    allowed = {"files": FILES_MORE, "threads": THREADS_MORE, "processes": PROCESSES_MORE, "left": 0}
    found = []
    for name in samples[0]:
        first, last = (
            statistics.median(one[name] for one in part) for part in (samples[:third], samples[-third:])
        )
        kind = name.rpartition(" ")[2]
        limit = first * MEMORY_TIMES + MEMORY_MORE if kind == "memory" else first + allowed[kind]
        if last > limit:
            found.append(f"{name}: {first:.0f} → {last:.0f}")
    return found


class Soak:
    """One machine with one lease, used over and over."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.rounds = 0
        self.samples: list[Sample] = []
        # The samples of each agent's life.
        self.lives: list[list[Sample]] = [[]]

    def round(self) -> None:
        tenant = self.tenant
        tenant.serve()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = [pool.submit(tenant.by_path, f"/big/{100_000 + number}") for number in range(VISITS)]
            seen = [(status, len(body)) for status, _, body in (answer.result() for answer in answers)]
        assert seen == [(200, 100_000 + number) for number in range(VISITS)]
        tenant.agent.far("stop", lease_id=tenant.lease)
        tenant.agent.until(tenant.lease, lambda found: found["work"] == "stopped")
        wait_for(self.works_left, lambda left: left == 0, tenant.agent.log)
        self.sample()
        self.restart()
        self.rounds += 1

    def works_left(self) -> int:
        return len(list(tenant_works(self.tenant)))

    def sample(self) -> None:
        tenant = self.tenant
        assert tenant.agent.process is not None
        found = look("agent", psutil.Process(tenant.agent.process.pid))
        found |= look("tunnels", psutil.Process(tenant.bazaar.start_tunnels().pid))
        found |= look("web", psutil.Process(tenant.bazaar.web_pid))
        found["works left"] = self.works_left()
        self.samples.append(found)
        self.lives[-1].append({name: value for name, value in found.items() if name.startswith("agent")})

    def restart(self) -> None:
        """Some of the parts, each in its turn; the agent now by its own end and now by a kill."""
        tenant = self.tenant
        if self.rounds % TUNNELS_EVERY == TUNNELS_EVERY - 1:
            tunnels = tenant.bazaar.start_tunnels()
            tunnels.kill()
            tunnels.wait()
            tenant.bazaar.start_tunnels()
        if self.rounds % HUB_EVERY == HUB_EVERY - 1:
            tenant.bazaar.stop_web()
            tenant.bazaar.start_web()
        if self.rounds % AGENT_EVERY == AGENT_EVERY - 1:
            tenant.agent.stop(signal.SIGTERM if len(self.lives) % 2 else signal.SIGKILL)
            tenant.agent.start()
            self.lives.append([])


def tenant_works(tenant: Tenant) -> list[Path]:
    folder = tenant.agent.folder / "work"
    return list(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.timeout(SECONDS + 300)
def test_works_streams_and_restarts_leave_nothing_behind(
    make_bazaar: Callable[..., LiveBazaar], tmp_path: Path
) -> None:
    bazaar = make_bazaar()
    bazaar.start_tunnels()
    folder = tmp_path / "agent"
    folder.mkdir()
    with contextlib.closing(AgentProcess(bazaar, folder)) as agent:
        soak = Soak(Tenant(bazaar, agent))
        soak.round()
        # The first round loads what is loaded once.
        soak.samples.clear()
        soak.lives = [[]]
        ends_at = time.monotonic() + SECONDS
        while time.monotonic() < ends_at or len(soak.samples) < 2:
            soak.round()
        for name in soak.samples[0]:
            values = [sample[name] for sample in soak.samples]
            sys.stdout.write(f"{name:20} {values[0]:12.0f} → {values[-1]:12.0f} (most {max(values):.0f})\n")
        sys.stdout.write(
            f"{soak.rounds} rounds, {len(soak.lives)} agents, log {agent.log.stat().st_size} bytes\n"
        )
        assert grown(soak.samples) == []
        assert [
            grown(life[1:]) for life in soak.lives if len(life) >= LIFE_ROUNDS_LEAST and grown(life[1:])
        ] == []
        assert max(sample["agent threads"] for sample in soak.samples) <= AGENT_THREADS_MOST
        assert agent.log.stat().st_size < LOG_BYTES_A_ROUND * soak.rounds
        assert agent.far("audit") == []
