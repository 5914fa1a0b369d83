"""Machines that are rows: heard as long as they are not silenced, and what they run is acted."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from compute_market.leases import metering
from compute_market.leases import selectors as leases
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.leases.states import State
from compute_market.offers import services as offers
from compute_market.offers.models import Heartbeat, Node
from compute_market.runners.base import Job, RunnerError
from compute_market.runners.fake import FakeRunner
from foundation import clock as market_clock

RUNNERS = ["fake"]


@dataclass(frozen=True)
class Part:
    """The scripted outcome of commands that match `command`, a glob over their words.

    They print `log` and end with `exit_code` after `minutes` of the market's clock; None: when stopped.
    """

    command: str
    exit_code: int = 0
    log: str = ""
    minutes: float | None = 0.0

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Part:
        """Read what a test sent. Raises: ValueError, TypeError, KeyError."""
        minutes = values.get("minutes", 0.0)
        if minutes is not None and not 0 <= float(minutes) < math.inf:
            raise ValueError("minutes cannot be below zero.")
        log = values.get("log", "")
        return cls(
            command=str(values["command"]),
            exit_code=int(values.get("exit_code", 0)),
            log=log if isinstance(log, str) else "".join(f"{line}\n" for line in log),
            minutes=None if minutes is None else float(minutes),
        )


@dataclass
class Machines:
    """All machines of this process, by the primary keys of their nodes."""

    _nodes: set[int] = field(default_factory=set)
    _silent: set[int] = field(default_factory=set)
    _broken: dict[int, str] = field(default_factory=dict)
    _parts: list[Part] = field(default_factory=list)

    def forget(self) -> None:
        """As after a start: no machine, and no command is known."""
        self._nodes, self._silent, self._broken, self._parts = set(), set(), {}, []

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def join(self, node: Node) -> None:
        self._nodes.add(node.pk)

    def silent(self) -> list[int]:
        return sorted(self._silent)

    def say(self, part: Part) -> None:
        """Commands go like this from now on; what was said last comes first."""
        self._parts.insert(0, part)

    def silence(self, node_id: int) -> None:
        self._known(node_id)
        self._silent.add(node_id)

    def wake(self, node_id: int) -> None:
        """Let a silent machine speak again, and a broken one work again."""
        self._known(node_id)
        self._silent.discard(node_id)
        self._broken.pop(node_id, None)

    def break_down(self, node_id: int, reason: str) -> None:
        """The machine cannot carry out any lease that begins there."""
        self._known(node_id)
        self._broken[node_id] = reason

    def hear(self, *, now: datetime, since: datetime) -> None:
        """Every machine that is not silent was heard in every minute since then."""
        for node in self._awake():
            if Lease.objects.filter(node=node, state__in=metering.METERED, starts_at__lt=now).exists():
                minutes = _minutes(max(since, node.last_heartbeat_at or now), now)
                Heartbeat.objects.bulk_create(
                    [Heartbeat(node=node, minute=minute) for minute in minutes], ignore_conflicts=True
                )
            offers.hear(node=node, runners=RUNNERS, now=now)

    def tend(self, *, now: datetime) -> None:
        """Start leases that begin and commands that are requested; end those whose time is over or that must
        stop.
        """
        for node in self._awake():
            gpus: dict[int, Sequence[int]] = {}
            for assignment in leases.assignments(node=node, now=now):
                self._take_up(node, assignment.lease, now=now)
                gpus[assignment.lease.pk] = assignment.gpus
            for work in Work.objects.filter(lease__node=node, state__in=Work.OPEN).order_by("pk"):
                self._carry_out(node, work, gpus.get(work.lease_id), now=now)

    def due(self, *, after: datetime) -> Iterator[datetime]:
        """The times at which running commands end by themselves."""
        running = Work.objects.filter(lease__node__in=self._nodes - self._silent, state=Work.State.RUNNING)
        for work in running if self else ():
            _, _, minutes = self._play(work, ())
            if minutes is not None and work.started_at is not None:
                end = work.started_at + timedelta(minutes=minutes)
                if end > after:
                    yield end

    def _known(self, node_id: int) -> None:
        if node_id not in self._nodes:
            raise ValueError(f"The test's market has no node {node_id}.")

    def _awake(self) -> list[Node]:
        awake = self._nodes - self._silent
        if not awake:
            return []
        return list(Node.objects.select_related("provider", "product").filter(pk__in=awake).order_by("pk"))

    def _take_up(self, node: Node, lease: Lease, *, now: datetime) -> None:
        if lease.state != State.PROVISIONING or lease.token is None:
            return
        reason = self._broken.get(node.pk)
        if reason is None:
            leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=now)
        else:
            leasing.fail_provisioning(node=node, lease_id=lease.pk, token=lease.token, reason=reason, now=now)

    def _carry_out(self, node: Node, work: Work, gpus: Sequence[int] | None, *, now: datetime) -> None:
        """`gpus` are None once the lease is over: then its work stops."""

        def report(state: str, **outcome: Any) -> None:
            leasing.report_work(node=node, token=work.token, state=state, now=now, **outcome)

        if gpus is None or work.state == Work.State.STOPPING:
            report(Work.State.STOPPED)
            return
        started_at = work.started_at or now
        try:
            log, exit_code, minutes = self._play(work, gpus)
        except RunnerError as error:
            report(Work.State.FAILED, reason=str(error))
            return
        if work.state == Work.State.QUEUED:
            report(Work.State.RUNNING)
            if log:
                leasing.append_log(node=node, token=work.token, offset=0, text=log, now=now)
        if minutes is not None and started_at + timedelta(minutes=minutes) <= now:
            report(Work.State.EXITED, exit_code=exit_code)

    def _play(self, work: Work, gpus: Sequence[int]) -> tuple[str, int, float | None]:
        """Returns what the command prints, its exit code, and how long it runs. Raises: RunnerError."""
        words = " ".join(work.command)
        for part in self._parts:
            if fnmatch.fnmatchcase(words, part.command):
                return part.log, part.exit_code, part.minutes
        job = Job(name=str(work.pk), command=work.command, folder=Path(), gpus=gpus)
        running = FakeRunner().start(job, ends_at=0.0)
        return running.output.decode(), running.code or 0, None if running.code is None else 0.0


def _minutes(since: datetime, now: datetime) -> Iterator[datetime]:
    """Whole minutes from the one of `since` to the one of `now`."""
    minute = market_clock.floor_minute(since)
    while minute <= now:
        yield minute
        minute += market_clock.MINUTE


machines = Machines()
