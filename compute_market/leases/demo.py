"""Demo nodes: machines that do not exist, of providers marked as demo. The hub plays their agents itself.

They are heard, take leases up, and run commands as `runners.fake` does: nothing happens, and it looks as if.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from compute_market.leases import selectors, services
from compute_market.leases.models import Work
from compute_market.leases.selectors import Assignment
from compute_market.leases.states import State
from compute_market.offers import services as offers
from compute_market.offers.models import Node
from compute_market.runners.base import Job, RunnerError
from compute_market.runners.fake import FakeRunner

OUTPUT_MAX = 64 * 1024


def serve_demo_nodes(*, now: datetime) -> int:
    """One round of every demo node's agent; gives how many nodes there are."""
    nodes = list(Node.objects.filter(provider__is_demo=True, state=Node.State.READY).order_by("pk"))
    for node in nodes:
        offers.hear(node=node, runners=["fake"], now=now)
        for assignment in selectors.assignments(node=node, now=now):
            _serve(node, assignment, now)
    return len(nodes)


def _serve(node: Node, assignment: Assignment, now: datetime) -> None:
    lease, work = assignment.lease, assignment.work
    if lease.state == State.PROVISIONING and lease.token is not None:
        services.take_up(node=node, lease_id=lease.pk, token=lease.token, now=now)
    if work is None:
        return
    if work.state == Work.State.STOPPING:
        services.report_work(node=node, token=work.token, state="stopped", now=now)
    elif work.state == Work.State.QUEUED:
        _run(node, assignment, work, now)


def _run(node: Node, assignment: Assignment, work: Work, now: datetime) -> None:
    job = Job(
        name=f"demo-{work.pk}",
        command=work.command,
        folder=Path("/nonexistent"),
        gpus=assignment.gpus,
        environment=work.environment,
    )
    services.report_work(node=node, token=work.token, state="running", now=now)
    try:
        running = FakeRunner().start(job)
    except RunnerError as error:
        services.report_work(node=node, token=work.token, state="failed", reason=str(error), now=now)
        return
    text = running.read(0, OUTPUT_MAX).decode(errors="replace")
    services.append_log(node=node, token=work.token, offset=0, text=text, now=now)
    code = running.poll()
    if code is not None:
        services.report_work(node=node, token=work.token, state="exited", exit_code=code, now=now)
