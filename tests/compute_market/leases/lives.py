"""A node that is up, and the leases on it, minute by minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from compute_market.leases import jobs, selectors, services
from compute_market.leases.models import Lease
from compute_market.ledger.models import Account
from compute_market.offers.models import Node
from compute_market.offers.services import hear
from hub.interface import Principal
from tests.factories.market import CREDIT, NOON, namespace_of

HOUR = 6 * CREDIT
GRACE = timedelta(seconds=10)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def live(node: Node, *, minutes: tuple[int, int], take_up: bool = True) -> None:
    """The node is up in these minutes: its agent is heard, takes leases up, and the sweep runs."""
    for minute in range(*minutes):
        now = at(minute) + GRACE
        hear(node=node, runners=["fake"], now=now)
        jobs.advance(now=now)
        if take_up:
            serve(node, now)


def serve(node: Node, now: datetime) -> None:
    for job in selectors.assignments(node=node, now=now):
        assert job.lease.token is not None
        services.take_up(node=node, lease_id=job.lease.pk, token=job.lease.token, now=now)


def balance(principal: Principal, kind: str = "main") -> int:
    return Account.objects.get(namespace_id=namespace_of(principal), kind=kind).balance_micros


def state(lease: Lease) -> str:
    return Lease.objects.get(pk=lease.pk).state
