"""Agent and hub killed at random moments: no command runs twice, none is lost, and the books are right.

A few kills here; `script/kills agent 200` has as many as you like.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from tests.servers.live import LiveBazaar
from tests.waiting import pause
from tests.wire.test_market_agent import AgentProcess, is_alive

KILLS = int(os.environ.get("BAZAAR_TEST_KILLS", "6"))
SEED = int(os.environ.get("BAZAAR_TEST_SEED", "1"))
# Every so many kills it is the hub's turn as well.
HUB_EVERY = 3


def kill_hub(bazaar: LiveBazaar) -> None:
    """All of its web processes at once, as when a machine loses its power; then it starts again."""
    group = os.getpgid(bazaar.web_pid)
    assert group != os.getpgid(0)
    os.killpg(group, signal.SIGKILL)
    assert bazaar._web is not None
    bazaar._web.wait()
    bazaar.start_web()


def test_kills_at_random_moments_lose_and_double_nothing(
    make_bazaar: Callable[..., LiveBazaar], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    bazaar = make_bazaar()
    folder, starts = tmp_path / "agent", tmp_path / "starts"
    folder.mkdir()
    starts.mkdir()
    with contextlib.closing(AgentProcess(bazaar, folder)) as agent:
        agent.start()
        lease = agent.lease()
        for number in range(KILLS):
            seconds = chance.choice([0.0, 0.2, 0.6])
            code = number % 100
            script = f"echo $$ >> {starts}/{number}; sleep {seconds}; echo said {number}; exit {code}"
            agent.run(lease, "/bin/sh", "-c", script)
            pause(chance.uniform(0, 1.2))
            agent.stop(signal.SIGKILL)
            if number % HUB_EVERY == HUB_EVERY - 1:
                kill_hub(bazaar)
            agent.start()
            seen = agent.until(lease, lambda seen: seen["work"] not in {"queued", "running", "stopping"})
            assert (seen["work"], seen["exit_code"], seen["log"]) == ("exited", code, f"said {number}\n"), (
                number
            )
            ran = (starts / str(number)).read_text().split()
            assert len(ran) == 1, f"work {number} was started {len(ran)} times"
            assert not is_alive(int(ran[0]))
        # The agent has been gone for moments only, so every minute that began was delivered.
        assert agent.far("settle", lease_id=lease) == {"state": "settled", "escrow": 0, "open": 0}
        assert agent.far("audit") == []
