"""Functions that the test of the agent calls in the live server, with JSON values (`LiveBazaar.remote`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from compute_market.leases import checks as lease_checks
from compute_market.leases import jobs, selectors
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.ledger import checks as ledger_checks
from compute_market.offers import agents
from compute_market.offers import services as offers
from compute_market.offers.models import Node
from foundation import clock
from hub.interface import Principal, User
from tests.factories import market


def enrolment_key(gpus: int) -> dict[str, Any]:
    """A provider that allows processes, with a bond for a declared node of so many GPUs; and a key for it."""
    now = clock.database_now()
    owner = market.trader(funds=100 + 100 * gpus)
    market.post_bond(owner, 100 * gpus, now=now)
    provider = offers.register_provider(actor=owner, namespace_id=market.namespace_of(owner), now=now)
    offers.allow_processes(actor=owner, provider=provider, allowed=True)
    name = f"rack-{owner.name}"
    key = offers.issue_enrolment_key(
        actor=owner, provider=provider, product=market.product(), name=name, gpus=gpus, now=now
    )
    return {"key": key, "name": name}


def node_state(name: str) -> str:
    node = Node.objects.filter(name=name).first()
    if node is None:
        return "absent"
    return "tradable" if node.is_tradable(clock.database_now()) else node.state


def heard(name: str) -> str:
    """The number of the node's last request that counted: it grows with every one."""
    return str(Node.objects.get(name=name).last_nonce).rjust(20, "0")


def lease(node: str, gpus: int) -> int:
    """A lease on the node that begins with this minute."""
    start = clock.floor_minute(clock.database_now())
    made = market.lease(Node.objects.get(name=node), gpus=gpus, start=start, hours=1)
    jobs.advance(now=clock.database_now())
    return made.pk


def run(lease_id: int, command: list[str], environment: dict[str, str]) -> int:
    work = leasing.run_work(
        actor=_holder(lease_id),
        lease_id=lease_id,
        command=command,
        environment=environment,
        now=clock.database_now(),
    )
    return work.pk


def stop(lease_id: int) -> None:
    leasing.stop_work(actor=_holder(lease_id), lease_id=lease_id, now=clock.database_now())


def look(lease_id: int) -> dict[str, Any]:
    """The lease, what it runs, and its output."""
    found = Lease.objects.get(pk=lease_id)
    work = found.works.order_by("-pk").first()
    return {
        "state": found.state,
        "minutes": found.delivered_minutes,
        "works": found.works.count(),
        "work": work and work.state,
        "exit_code": work and work.exit_code,
        "reason": work and work.reason,
        "log": _output(work) if work else "",
    }


def _output(work: Work) -> str:
    """All pages that are kept."""
    pages, after = [], 0
    while (page := selectors.read_log(work, after=after))[0]:
        pages.append(page[0])
        after = page[1]
    return "".join(pages)


def settle(lease_id: int) -> dict[str, Any]:
    """Let the holder end the lease, and a little time pass; then what it cost."""
    now = clock.database_now()
    leasing.end_early(actor=_holder(lease_id), lease_id=lease_id, now=now)
    for minutes in (1, 3):
        jobs.advance(now=now + timedelta(minutes=minutes))
    found = Lease.objects.get(pk=lease_id)
    left = found.escrow_micros
    return {"state": found.state, "escrow": left, "open": found.works.filter(state__in=Work.OPEN).count()}


def audit() -> list[str]:
    return [*ledger_checks.audit(), *lease_checks.audit()]


def _holder(lease_id: int) -> Principal:
    namespace = Lease.objects.get(pk=lease_id).holder.namespace_id
    assert namespace is not None
    return Principal(user=User.objects.get(namespace_id=namespace))


def many_nodes(count: int) -> list[tuple[str, str, str]]:
    """So many nodes of one provider: the two halves of each agent's key, and the machine's fingerprint."""
    owner, now = market.trader(), clock.database_now()
    nodes = [market.node(owner, now=now) for _ in range(count)]
    return [(node.agent_key_id, agents.agent_key(node.agent_key_id), node.instance) for node in nodes]
