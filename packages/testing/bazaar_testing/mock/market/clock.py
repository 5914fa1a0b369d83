"""The clock of a test's market, by which every door and task of this process goes.

It stands still. When it is moved, it stops at every moment at which something falls due, has the market's
sweeps run there, and goes on; so leases start, are metered and end as they would have, in milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Min

from bazaar.celery import app
from bazaar_testing.mock.market.machines import machines
from compute_market.leases.models import Lease
from compute_market.leases.states import State
from compute_market.matching.models import Order
from compute_market.matching.views import selectors
from compute_market.offers.models import Node

DAY = timedelta(days=1)
MOVE_MAX = 400 * DAY
STEP_SECONDS = 0.02
SPEED_MAX = 1_000_000.0
HOUSEKEEPING_SECONDS = 3600
DRAIN = "compute_market.matching.tasks.drain_shard"


class Clock:
    """The clock of the market of a hub for tests. A process has one."""

    def __init__(self) -> None:
        self._at = self._struck = datetime.now(UTC)
        self._moving = threading.RLock()
        self._run: threading.Event | None = None

    def now(self) -> datetime:
        return self._at

    @property
    def is_running(self) -> bool:
        return self._run is not None

    def reset(self) -> None:
        """Stand still at the real time, over an empty market."""
        self.stop()
        with self._moving:
            self._at = self._struck = datetime.now(UTC)

    def set(self, moment: datetime) -> None:
        """Move to a moment. Raises: ValueError where that is back, and something has happened already."""
        with self._moving:
            if not Order.objects.exists():
                self._at = self._struck = moment
                machines.hear(now=moment, since=moment)
                return
            if moment < self._at:
                raise ValueError(f"The market's clock does not go back: it is {self._at:%FT%T}Z there.")
            self._advance(moment)

    def advance(self, by: timedelta) -> None:
        """Move on, by way of everything that falls due. Raises: ValueError."""
        if not timedelta() <= by <= MOVE_MAX:
            raise ValueError(f"The clock moves on, and by at most {MOVE_MAX.days} days at once.")
        with self._moving:
            self._advance(self._at + by)

    def strike(self) -> None:
        """Run the market's sweeps at this moment, let its machines do their work, and match."""
        with self._moving:
            machines.hear(now=self._at, since=self._struck)
            self._struck = self._at
            for _ in range(2):  # what the machines did may have let leases end
                for name in _sweeps():
                    _do(name)
                machines.tend(now=self._at)
            self.match()

    def match(self) -> None:
        """Match what waits, as if the task of an order had been lost."""
        for shard, waiting in selectors.backlog().items():
            if waiting:
                _do(DRAIN, shard=shard)

    def tend(self) -> None:
        """Let the machines do their pending work."""
        if machines:
            with self._moving:
                machines.tend(now=self._at)

    def run(self, speed: float) -> None:
        """Go on by itself, so many times as fast as the real time. Raises: ValueError."""
        if not 0 < speed <= SPEED_MAX:
            raise ValueError(
                f"The clock runs at more than 0 and at most {SPEED_MAX:.0f} times the real time."
            )
        self.stop()
        stopped = self._run = threading.Event()
        threading.Thread(target=self._keep_running, args=(speed, stopped), daemon=True).start()

    def stop(self) -> None:
        """Stand still, once the step that is being made is done."""
        if self._run is not None:
            self._run.set()
            self._run = None
            with self._moving:
                pass

    def _keep_running(self, speed: float, stopped: threading.Event) -> None:
        last = time.monotonic()
        try:
            while not stopped.wait(STEP_SECONDS):
                moment = time.monotonic()
                with self._moving:
                    if not stopped.is_set():
                        self._advance(self._at + timedelta(seconds=(moment - last) * speed))
                last = moment
        finally:
            if self._run is stopped:  # a step failed; the server's log says why
                self._run = None
            connections.close_all()

    def _advance(self, until: datetime) -> None:
        while self._at < until:
            due = min(_due(self._at), default=None)
            self._at = min(until, self._struck + DAY, due or until)
            # Machines speak up so often; what is shorter than that, with nothing due, changes nothing.
            silence = (self._at - self._struck).total_seconds()
            if self._at == due or silence >= settings.MARKET_HEARTBEAT_SECONDS:
                self.strike()


def _do(name: str, **kwargs: Any) -> None:
    """Run a task now, unless a fault rule loses it. An exception of the task is raised here."""
    result: Any = app.tasks[name].apply_async(kwargs=kwargs)
    if result is not None and result.failed():
        raise result.result


def _sweeps() -> list[str]:
    """The tasks by which beat moves the market on, but for those that only tidy up."""
    return [
        entry["task"]
        for entry in app.conf.beat_schedule.values()
        if entry["task"].startswith("compute_market.")
        and not entry["task"].startswith("compute_market.demo.")
        and entry["schedule"] < HOUSEKEEPING_SECONDS
    ]


def _due(after: datetime) -> Iterator[datetime]:
    """The next moments, later than `after`, at which something falls due, one of a kind."""
    live = Lease.objects.live()
    provision = timedelta(seconds=settings.MARKET_PROVISION_SECONDS)
    firsts: list[dict[str, datetime | None]] = [
        live.filter(starts_at__gt=after).aggregate(at=Min("starts_at")),
        live.filter(ends_at__gt=after).aggregate(at=Min("ends_at")),
        live.filter(preempt_at__gt=after).aggregate(at=Min("preempt_at")),
        live.filter(state=State.PROVISIONING, provisioning_since__gt=after - provision).aggregate(
            at=Min("provisioning_since") + provision
        ),
        Order.objects.live().filter(expires_at__gt=after).aggregate(at=Min("expires_at")),
    ]
    for seconds in (settings.MARKET_NODE_STALE_SECONDS, settings.MARKET_LEASE_LOST_SECONDS):
        patience = timedelta(seconds=seconds)
        silent = Node.objects.filter(pk__in=machines.silent(), last_heartbeat_at__gt=after - patience)
        firsts.append(silent.aggregate(at=Min("last_heartbeat_at") + patience))
    yield from (at for first in firsts if (at := first["at"]) is not None)
    yield from machines.due(after=after)


clock = Clock()
