"""Access to leases: permissions for ports, the signed grants that express them, and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from compute_market.leases import selectors, serving
from compute_market.leases.errors import LeaseNotRunning, PortNotServed
from compute_market.leases.models import Lease, Work
from compute_market.leases.states import RUNNING
from compute_market.tunnels.grants import Grant, Ticket, key_from, ticket_secret
from hub.interface import Principal

# A browser's way in is renewed by a visit of the hub's own page; a ticket by every poll.
VISIT_HOURS = 12
LINK_HOURS_MAX = 24 * 7
TICKET_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Way:
    """A port of a running work that somebody may reach, until then at the latest."""

    lease: Lease
    work: Work
    port: str
    until: datetime


@cache
def signing_key() -> bytes:
    """The key of grants and tickets."""
    return key_from(settings.SECRET_KEY)


def socket_path() -> Path:
    """The socket on which the tunnels receive connections."""
    return Path(settings.MARKET_TUNNEL_SOCKET)


def way_to(*, actor: Principal, lease_id: int, port: str, now: datetime) -> Way:
    """The way to a port of what a lease runs, for its holder; `port` may be the port's name.

    Raises: Unauthenticated, TradeScopeMissing, LeaseNotFound, LeaseNotRunning, WorkNotFound, PortNotServed.
    """
    work, until = running_work(actor=actor, lease_id=lease_id, now=now)
    key = serving.find(work.serves, port)
    if key is None:
        raise PortNotServed(port=port[:40])
    return Way(lease=work.lease, work=work, port=port, until=until)


def running_work(*, actor: Principal, lease_id: int, now: datetime) -> tuple[Work, datetime]:
    """The work that runs in a lease that the actor holds, and until when the actor may use it.

    Raises: Unauthenticated, TradeScopeMissing, LeaseNotFound, LeaseNotRunning, WorkNotFound.
    """
    lease = selectors.get_held_lease(actor=actor, lease_id=lease_id)
    until = selectors.run_until(lease)
    if lease.state not in RUNNING or until <= now:
        raise LeaseNotRunning(state=lease.get_state_display())
    work = selectors.newest_work(lease)
    work.lease = lease
    return work, until


def grant_for(way: Way, *, now: datetime, hours: int = VISIT_HOURS) -> str:
    """A signed word with which its bearer may reach the port for so long, never beyond the lease."""
    expires = min(way.until, now + timedelta(hours=min(hours, LINK_HOURS_MAX)))
    return Grant(way.lease.pk, way.port, expires.timestamp()).signed(signing_key())


def ticket_for(job: selectors.Assignment, *, now: datetime) -> dict[str, Any] | None:
    """The ticket by which an agent waits for streams of a work, and the secret that proves it."""
    work = job.work
    if work is None or work.state == Work.State.STOPPING:
        return None
    ports = [(serving.key_of(entry), entry["name"]) for entry in work.serves]
    ticket = Ticket(
        lease=job.lease.pk,
        work=str(work.token),
        ports=tuple(ports),
        until=job.run_until.timestamp(),
        issued=now.timestamp(),
        expires=(now + TICKET_LIFE).timestamp(),
    )
    word = ticket.signed(signing_key())
    return {"ticket": word, "secret": ticket_secret(signing_key(), word), "until": job.run_until}


def address_of(lease_id: int, port: str) -> str:
    """The address of a port, an origin of its own; empty if the hub has no domain for leases."""
    if not settings.MARKET_LEASES_URL:
        return ""
    parts = urlsplit(settings.MARKET_LEASES_URL)
    return f"{parts.scheme}://{lease_id}--{port}.{parts.netloc}"


def path_of(lease_id: int, port: str) -> str:
    """The path of a port on the hub's own address."""
    return f"/leases/{lease_id}/ports/{port}"
