"""The demo's agent: heartbeats, and leases carried out in name only. Nothing is run."""

from __future__ import annotations

from datetime import datetime

from compute_market.demo import cast
from compute_market.leases import selectors as leases
from compute_market.leases import services as leasing
from compute_market.leases.models import Work
from compute_market.leases.states import State
from compute_market.offers import services as offers
from compute_market.offers.models import Node

SAID = "This is a demo node: nothing was run.\n"


def tend(*, now: datetime) -> int:
    """Let every demo node send a heartbeat and do its pending work; returns the number of nodes."""
    count = 0
    for node in cast.nodes():
        offers.hear(node=node, runners=cast.RUNNERS, now=now)
        for assignment in leases.assignments(node=node, now=now):
            lease = assignment.lease
            if lease.state == State.PROVISIONING and lease.token is not None:
                leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=now)
            if assignment.work is not None:
                _carry_out(node, assignment.work, now=now)
        count += 1
    return count


def _carry_out(node: Node, work: Work, *, now: datetime) -> None:
    if work.state == Work.State.STOPPING:
        leasing.report_work(node=node, token=work.token, state=Work.State.STOPPED, now=now)
        return
    leasing.report_work(node=node, token=work.token, state=Work.State.RUNNING, now=now)
    leasing.append_log(node=node, token=work.token, offset=0, text=SAID, now=now)
    leasing.report_work(node=node, token=work.token, state=Work.State.EXITED, exit_code=0, now=now)
