"""Real Celery workers on a real broker: killed with SIGKILL, and their Redis wiped, while orders come in."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from functools import partial

import pytest

from bazaar.server import processes
from tests.servers.live import LiveBazaar
from tests.waiting import pause

FAR_END = "tests.concurrency.compute_market.far_end"


def kill_with_children(worker: subprocess.Popen[bytes]) -> None:
    """As the kernel does when memory runs out: nobody is asked."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)


class TestLiveWorkers:
    @pytest.mark.timeout(500)
    def test_that_die_and_lose_their_broker_leave_the_market_right(
        self, make_bazaar: Callable[..., LiveBazaar], postgres_url: str
    ) -> None:
        bazaar = make_bazaar(
            database_url=postgres_url, BAZAAR_MARKET_CLAIM_SECONDS="2", BAZAAR_MARKET_BATCH_SIZE="10"
        )
        floor = bazaar.remote.call(f"{FAR_END}:set_up")
        chance = random.Random(3)
        placed = 0
        for round_number in range(3):
            worker = bazaar.start_worker("-B", "-s", str(bazaar.data / f"beat{round_number}"))
            bazaar.remote.call(f"{FAR_END}:place", floor, round_number, 40)
            placed += 40
            before = bazaar.remote.call(f"{FAR_END}:waiting")
            processes.wait_until(
                partial(self.fewer_wait, bazaar, before),
                what="a worker that drains",
                process=worker,
                patience_seconds=120,
            )
            pause(chance.uniform(0, 0.1))
            kill_with_children(worker)
            if round_number == 1:
                self.wipe_redis(bazaar)
        bazaar.remote.call(f"{FAR_END}:place", floor, 99, 20)
        worker = bazaar.start_worker("-B", "-s", str(bazaar.data / "beat"))
        processes.wait_until(
            lambda: bazaar.remote.call(f"{FAR_END}:waiting") == 0,
            what="an empty backlog",
            process=worker,
            patience_seconds=120,
        )
        verdict = bazaar.remote.call(f"{FAR_END}:verdict")
        assert verdict["findings"] == []
        assert verdict["trades"] > 0

    @staticmethod
    def fewer_wait(bazaar: LiveBazaar, before: int) -> bool:
        return before == 0 or bool(bazaar.remote.call(f"{FAR_END}:waiting") < before)

    @staticmethod
    def wipe_redis(bazaar: LiveBazaar) -> None:
        """All tasks in flight are gone, with everything else in Redis."""
        assert bazaar._redis is not None
        bazaar._redis.kill()
        bazaar._redis.wait(10)
        for path in (bazaar.data / "redis").rglob("*"):
            if path.suffix in {".aof", ".rdb", ".manifest"}:
                path.unlink()
        bazaar.start_redis()
