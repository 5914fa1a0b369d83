"""Functions that the tests of tunnels call in the live server, with JSON values (`LiveBazaar.remote`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, LeaseTraffic, Work
from compute_market.leases.traffic import write_down
from foundation import clock
from hub.accounts.models import Namespace
from hub.interface import Principal, User


def holder(lease_id: int) -> str:
    """The name of the lease's holder."""
    namespace = Lease.objects.select_related("holder__namespace").get(pk=lease_id).holder.namespace
    assert isinstance(namespace, Namespace)
    return namespace.name


def serve(
    lease_id: int,
    command: list[str],
    serves: list[dict[str, Any]],
    environment: dict[str, str],
    image: str = "",
) -> str:
    """Run a command that serves ports, in a container if there is an image; the work's token."""
    work = leasing.run_work(
        actor=_holder(lease_id),
        lease_id=lease_id,
        command=command,
        environment=environment,
        serves=serves,
        image=image,
        now=clock.database_now(),
    )
    return str(work.token)


def end(lease_id: int) -> None:
    """Let the lease end with the minute that runs, and that minute pass."""
    now = clock.database_now()
    leasing.end_early(actor=_holder(lease_id), lease_id=lease_id, now=now)
    jobs.advance(now=now + timedelta(minutes=2))


def end_at(lease_id: int, seconds: float) -> None:
    """Move a lease's end to soon, as an early end does."""
    Lease.objects.filter(pk=lease_id).update(ends_at=clock.database_now() + timedelta(seconds=seconds))


def traffic(lease_id: int) -> dict[str, int]:
    """The counted bytes and streams of a lease."""
    row = LeaseTraffic.objects.filter(lease=lease_id).first()
    return {"in": row.bytes_in, "out": row.bytes_out, "streams": row.streams} if row else {}


def state(lease_id: int) -> dict[str, Any]:
    work = Work.objects.filter(lease=lease_id).order_by("-pk").first()
    return {"work": work and work.state, "reason": work and work.reason}


def _holder(lease_id: int) -> Principal:
    namespace = Lease.objects.get(pk=lease_id).holder.namespace_id
    assert namespace is not None
    return Principal(user=User.objects.get(namespace_id=namespace))


def counted(lease_id: int) -> dict[str, int]:
    """The counted bytes and streams of a lease, after the waiting reports are written to its row."""
    write_down(now=clock.database_now())
    return traffic(lease_id)


def set_active(name: str, *, active: bool) -> None:
    """Close somebody's account, or open it again."""
    User.objects.filter(namespace__name=name).update(is_active=active)


def give(lease_id: int, to: str) -> None:
    """Let somebody else hold the lease."""
    account = Lease.objects.select_related("holder").filter(holder__namespace__name=to).first()
    assert account is not None
    Lease.objects.filter(pk=lease_id).update(holder=account.holder)
