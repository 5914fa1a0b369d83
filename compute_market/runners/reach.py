"""The agent's side of connections into works: to their ports, a shell and their files."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from functools import partial

from compute_market.runners.assignments import LeaseOrder, WorkOrder
from compute_market.runners.base import Job, Runner
from compute_market.runners.descendants import end_strays
from compute_market.runners.sessions import session_target
from compute_market.runners.sftp import sftp_target
from compute_market.runners.targets import Target, tcp_target, unix_target
from compute_market.runners.tunnels import TunnelEnds
from compute_market.runners.works import Task, Works

# Names of the ways into every work besides its ports; no port or name begins like this.
SESSION, FILES = "!session", "!files"


class WaysIn:
    """Opens tunnels for running works, each by its newest ticket, and closes those of ended works."""

    def __init__(self, hub_url: str, *, say: Callable[[str], None]) -> None:
        self.ends = TunnelEnds(hub_url, say=say)
        # Works in which somebody had a session: what it left behind is ended with the work.
        self.visited: dict[str, Task] = {}

    def bring_in_line(self, orders: Iterable[LeaseOrder], works: Works) -> None:
        """Serve what runs and has a ticket; what does not run any more is reached no longer."""
        for order in orders:
            work = order.work
            task = works.tasks.get(work.token) if work is not None else None
            if work is not None and work.tunnel is not None and task is not None and is_open(task):
                self.ends.serve(
                    work.token,
                    ticket=work.tunnel.ticket,
                    secret=work.tunnel.secret,
                    until=work.tunnel.until,
                    targets=self.targets_of(task, work, works),
                )
        self.end_what_is_over(works)

    def targets_of(self, task: Task, work: WorkOrder, works: Works) -> dict[str, Target]:
        """Connections into a work: to its declared ports, to a shell, to its files."""
        runner, job = works.runners.get(work.runner), works.job_of(task, work)
        home = task.folder / "work"
        targets: dict[str, Target] = {FILES: sftp_target(home, aliases=(str(home.resolve()), "/work"))}
        if runner is None:
            return targets
        targets[SESSION] = partial(self._visit, task, session_target(partial(runner.inside, job)))
        for served in work.serves:
            targets[served.key] = (
                unix_target(str(home / served.socket))
                if served.socket
                else partial(connect_to_port, runner, job, served.port)
            )
        return targets

    def _visit(self, task: Task, target: Target) -> socket.socket:
        self.visited[task.token] = task
        return target()

    def end_what_is_over(self, works: Works) -> None:
        """End the streams of works that are over, and what sessions left running in them."""
        for token in self.ends.served():
            task = works.tasks.get(token)
            if task is None or not is_open(task):
                self.ends.forget(token)
                if visited := self.visited.pop(token, None):
                    # It looks through all processes of the machine: the control thread does not wait for it.
                    threading.Thread(target=end_strays, args=(visited.folder,), daemon=True).start()

    def close(self) -> None:
        self.ends.close()


def is_open(task: Task) -> bool:
    """True if the work runs."""
    return task.ending is None and task.running is not None


def connect_to_port(runner: Runner, job: Job, port: int) -> socket.socket:
    """A connection to a port of a work. Raises: OSError."""
    host, at = runner.address(job, port)
    return tcp_target(at, host)()
