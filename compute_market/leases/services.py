"""Use cases of leases: run something, end early, give notice; and what agents report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from compute_market.leases import cancellation, jobs, metering, selectors, serving
from compute_market.leases.errors import (
    LeaseNotFound,
    LeaseNotRunning,
    LeaseOffered,
    LeaseResold,
    NoticeTooShort,
    RunnerNotAllowed,
    StaleToken,
    WorkInvalid,
    WorkNotFound,
    WorkOver,
    WorkRunning,
)
from compute_market.leases.lifecycle import LockedLease, lock_lease, move, tell_of_work, write_change
from compute_market.leases.models import Lease, LogChunk, Work
from compute_market.leases.states import LIVE, NEXT, RUNNING, State
from compute_market.ledger import policies
from compute_market.offers.models import GpuHold, Node
from foundation import clock
from foundation.held_rows import held_row
from hub.interface import Principal

ARGUMENTS_MAX = 256
COMMAND_BYTES_MAX = 64 * 1024
VARIABLES_MAX = 128
ENVIRONMENT_BYTES_MAX = 256 * 1024
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# Variables that say which GPUs the work has: the lease sets them, and a command may not.
RESERVED_VARIABLES = frozenset(
    {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"}
)
IMAGE = re.compile(r"[A-Za-z0-9][\w./:@-]{0,254}")
RUNNERS_BY_PREFERENCE = ("podman", "docker", "process", "fake")
LOG_CHUNK_BYTES_MAX = 64 * 1024
# The notice that an agent may write before a piece of output: how much was left out.
LOG_NOTE_BYTES = 100
LOG_SIZE_MAX = 2**31 - 1
LOG_OFFSET_MAX = 2**62
REASON_MAX = 300


def run_work(
    *,
    actor: Principal,
    lease_id: int,
    command: Sequence[str],
    now: datetime,
    environment: Mapping[str, str] | None = None,
    image: str = "",
    runner: str = "",
    serves: Sequence[Mapping[str, Any]] = (),
) -> Work:
    """Run a command in a lease: a program and its arguments, never a line for a shell.

    `serves`: the ports that may be reached from outside (`leases.serving`).

    Raises: LeaseNotFound, LeaseNotRunning, WorkRunning, WorkInvalid, RunnerNotAllowed.
    """
    selectors.get_held_lease(actor=actor, lease_id=lease_id)
    _require_command(command)
    environment = dict(environment or {})
    _require_environment(environment)
    served = serving.checked(serves)
    if image and not IMAGE.fullmatch(image):
        raise WorkInvalid(field="image", reason="this is no name of an image")
    with transaction.atomic(durable=True):
        lease = _lock(lease_id)
        if lease.state not in RUNNING or lease.ends_at <= now:
            raise LeaseNotRunning(state=lease.get_state_display())
        if lease.works.filter(state__in=Work.OPEN).exists():
            raise WorkRunning
        node = Node.objects.select_related("provider").get(pk=lease.node_id)
        work = Work.objects.create(
            lease=lease,
            runner=_choose_runner(node, runner, image, actor=actor),
            image=image,
            command=list(command),
            environment=environment,
            serves=served,
            token=uuid4(),
            requested_at=now,
        )
        tell_of_work(work, now=now)
    return work


def stop_work(*, actor: Principal, lease_id: int, now: datetime) -> Work:
    """Ask for the lease's command to be stopped. Asking twice is the same as once.

    Raises: LeaseNotFound, WorkNotFound.
    """
    selectors.get_held_lease(actor=actor, lease_id=lease_id)
    with transaction.atomic(durable=True):
        lease = _lock(lease_id)
        work = lease.works.filter(state__in=Work.OPEN).first()
        if work is None:
            raise WorkNotFound
        if work.state == Work.State.QUEUED:
            work.state, work.finished_at = Work.State.STOPPED, now
        else:
            work.state = Work.State.STOPPING
        work.save(update_fields=["state", "finished_at"])
        tell_of_work(work, now=now)
    return work


def end_early(*, actor: Principal, lease_id: int, now: datetime) -> Lease:
    """End a lease with the minute that runs; what was not used is paid back when it is settled.

    The exchange's fee for the minutes given up does not come back. One that has not begun is given back
    whole. Its seller gets the product's fee for that, if it comes late.

    Doing it twice is the same as once. Raises: LeaseNotFound, LeaseNotRunning, LeaseResold,
    LeaseOffered.
    """
    selectors.get_held_lease(actor=actor, lease_id=lease_id)
    with transaction.atomic(durable=True):
        # Sellers of GPUs of a lease hold its node's lock, so no offer can appear during this check.
        held_row(Node.objects.select_for_update().filter(leases=lease_id))
        lease = _lock(lease_id)
        if lease.state not in {State.PENDING, State.PROVISIONING, *RUNNING}:
            raise LeaseNotRunning(state=lease.get_state_display())
        if lease.resold.filter(state__in=LIVE).exists():
            raise LeaseResold
        offers = GpuHold.objects.open().filter(lease_number=lease.pk).order_by("pk")
        if causes := list(offers.values_list("cause", flat=True)):
            # A hold of an order is known by `order/{account}/{client_order_id}`.
            raise LeaseOffered(orders=", ".join(cause.split("/", 2)[-1] for cause in causes))
        lease.ends_at = min(lease.ends_at, max(lease.starts_at, clock.ceil_minute(now)))
        lease.given_up_micros = cancellation.given_up_micros(lease, ends_at=lease.ends_at)
        if lease.ends_at == lease.starts_at and lease.state == State.PENDING:
            lease.cancel_fee_micros = cancellation.of_lease(lease).fee_at(now)
            move(lease, State.ENDED, now=now, reason="ended early")
        else:
            lease.save(update_fields=["ends_at", "given_up_micros"])
            write_change(lease, now=now)
    return lease


def give_notice(
    *, actor: Principal, lease_id: int, preempt_at: datetime, reason: str, now: datetime
) -> Lease:
    """A provider takes a lease's GPUs back at a time not too near; the holder gets a notice and can save its
    work.

    The provider's bond pays the credit. Raises: LeaseNotFound, LeaseNotRunning, NoticeTooShort.
    """
    selectors.get_supplied_lease(actor=actor, lease_id=lease_id)
    minutes = settings.MARKET_PREEMPT_NOTICE_MINUTES
    if preempt_at < now + timedelta(minutes=minutes):
        raise NoticeTooShort(minutes=minutes)
    with transaction.atomic(durable=True):
        lease = _lock(lease_id)
        if lease.state != State.ACTIVE or lease.ends_at <= preempt_at:
            raise LeaseNotRunning(state=lease.get_state_display())
        lease.preempt_at = preempt_at
        move(lease, State.PREEMPT_NOTICE, now=now, reason=reason)
    return lease


def reclaim(*, actor: Principal, lease_id: int, reason: str, now: datetime) -> Lease:
    """An operator ends a lease at once, as for abuse. Unused minutes are refunded; no compensation is paid.

    Raises: Unauthenticated, OperatorOnly, LeaseNotFound, LeaseNotRunning.
    """
    policies.require_operator(actor)
    with transaction.atomic(durable=True):
        lease = _lock(lease_id)
        if State.RECLAIMED not in NEXT[lease.state]:
            raise LeaseNotRunning(state=lease.get_state_display())
        jobs.break_off(lease, State.RECLAIMED, now=now, reason=reason)
    return lease


# ---- what agents report --------------------------------------------------------------------------


def take_up(*, node: Node, lease_id: int, token: UUID, now: datetime) -> Lease:
    """An agent is ready for a lease: its holder may run work. Reporting it twice is the same as once.

    Raises: LeaseNotFound, StaleToken.
    """
    with transaction.atomic(durable=True):
        lease = _lock_for_agent(node, lease_id, token)
        if lease.state == State.PROVISIONING and lease.ends_at > now:
            metering.write(metering.skip(lease, until=now))
            move(lease, State.ACTIVE, now=now)
    return lease


def fail_provisioning(*, node: Node, lease_id: int, token: UUID, reason: str, now: datetime) -> Lease:
    """An agent cannot carry a lease out: it is over, and its holder is paid back.

    Raises: LeaseNotFound, StaleToken.
    """
    with transaction.atomic(durable=True):
        lease = _lock_for_agent(node, lease_id, token)
        if lease.state == State.PROVISIONING:
            jobs.break_off(lease, State.PROVISION_FAILED, now=now, reason=reason)
    return lease


def report_work(
    *,
    node: Node,
    token: UUID,
    state: str,
    now: datetime,
    exit_code: int | None = None,
    reason: str = "",
) -> Work:
    """An agent reports that a work runs (`running`) or has ended (`exited`, `stopped`, `failed`).

    The first reported end counts. Raises: StaleToken, WorkInvalid.
    """
    if state not in {Work.State.RUNNING, Work.State.EXITED, Work.State.STOPPED, Work.State.FAILED}:
        raise WorkInvalid(field="state", reason="running, exited, stopped or failed is wanted")
    with transaction.atomic(durable=True):
        work = _lock_work(node, token)
        if work.state not in Work.OPEN:
            return work
        if state == Work.State.RUNNING:
            work.started_at = work.started_at or now
            if work.state == Work.State.QUEUED:
                work.state = Work.State.RUNNING
        else:
            work.state, work.finished_at = Work.State(state), now
            work.exit_code, work.reason = exit_code, storable(reason)[:REASON_MAX]
        work.save()
        tell_of_work(work, now=now)
    return work


def append_log(
    *, node: Node, token: UUID, offset: int, text: str, now: datetime, size: int | None = None
) -> int:
    """Keep a piece of a work's output; give the byte that is expected next.

    `size` is how many bytes it was before it was made text. A piece received before is passed over, one that
    is too long keeps its newest part, and what a database cannot hold is replaced: an agent must never be
    stuck with output. Beyond the limit the oldest pieces are let go.

    Raises: StaleToken, WorkOver, WorkInvalid (a size or an offset that cannot be).
    """
    text = storable(text)
    size = min(len(text.encode()), LOG_CHUNK_BYTES_MAX) if size is None else size
    if not 0 < size <= LOG_SIZE_MAX or not 0 <= offset <= LOG_OFFSET_MAX:
        raise WorkInvalid(field="size", reason="the bytes of the text are wanted, and their offset")
    # The limit on what is kept of a work counts `size`, so no more bytes than that may be stored.
    text = _newest_bytes(text, min(size + LOG_NOTE_BYTES, LOG_CHUNK_BYTES_MAX))
    with transaction.atomic(durable=True):
        work = _lock_work(node, token)
        if work.state not in Work.OPEN:
            raise WorkOver
        if offset < work.log_bytes:
            return work.log_bytes
        LogChunk.objects.create(work=work, offset=offset, text=text, size=size, received_at=now)
        work.log_bytes = offset + size
        work.save(update_fields=["log_bytes"])
        too_old = work.log_bytes - settings.MARKET_LOG_BYTES_MAX
        if too_old > 0:
            LogChunk.objects.filter(work=work, offset__lt=too_old).delete()
    return work.log_bytes


def _newest_bytes(text: str, most: int) -> str:
    """The text in at most `most` bytes of UTF-8; if it is longer, without its oldest part.

    A replacement character takes three bytes and may stand for one byte of the program's output. If the text
    is too long, they become question marks first, so that output that is not UTF-8 keeps its length.
    """
    if len(text.encode()) > most:
        text = text.replace("\N{REPLACEMENT CHARACTER}", "?")
    return text.encode()[-most:].decode(errors="ignore")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced: no database keeps them."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _lock(lease_id: int) -> LockedLease:
    lease = lock_lease(lease_id)
    if lease is None:
        raise LeaseNotFound
    return lease


def _lock_for_agent(node: Node, lease_id: int, token: UUID) -> LockedLease:
    lease = _lock(lease_id)
    if lease.node_id != node.pk:
        raise LeaseNotFound
    if lease.token != token:
        raise StaleToken
    return lease


def _lock_work(node: Node, token: UUID) -> Work:
    """The lease is locked before its work, as everywhere."""
    work = Work.objects.filter(token=token, lease__node=node).first()
    if work is None:
        raise StaleToken
    lock_lease(work.lease_id)
    return held_row(Work.objects.select_for_update().filter(pk=work.pk))


def _require_command(command: object) -> None:
    if (
        not isinstance(command, (list, tuple))
        or not 1 <= len(command) <= ARGUMENTS_MAX
        or not all(isinstance(part, str) and "\x00" not in part for part in command)
        or not command[0]
    ):
        raise WorkInvalid(field="command", reason=f"a list of 1 to {ARGUMENTS_MAX} texts is wanted")
    if sum(len(part.encode()) for part in command) > COMMAND_BYTES_MAX:
        raise WorkInvalid(field="command", reason=f"at most {COMMAND_BYTES_MAX} bytes are taken")


def _require_environment(environment: Mapping[Any, Any]) -> None:
    if len(environment) > VARIABLES_MAX:
        raise WorkInvalid(field="environment", reason=f"at most {VARIABLES_MAX} variables are taken")
    for name, value in environment.items():
        if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name) or name in RESERVED_VARIABLES:
            raise WorkInvalid(field="environment", reason=f"a variable cannot be called {name!r}")
        if not isinstance(value, str) or "\x00" in value or len(value) > COMMAND_BYTES_MAX:
            raise WorkInvalid(field="environment", reason=f"the value of {name} is not a text")
    if sum(len(text.encode()) for pair in environment.items() for text in pair) > ENVIRONMENT_BYTES_MAX:
        raise WorkInvalid(field="environment", reason=f"at most {ENVIRONMENT_BYTES_MAX} bytes are taken")


def _takes_processes(node: Node, actor: Principal) -> bool:
    """True if the node runs plain processes for the actor: for everybody, or for members of its provider
    only.
    """
    provider = node.provider
    if not provider.allows_processes:
        return False
    return not provider.processes_for_members or policies.may_buy(actor, provider.namespace_id)


def _choose_runner(node: Node, wanted: str, image: str, *, actor: Principal) -> str:
    """The runner asked for, or the most isolated one the node has. An image needs a container.

    Raises: WorkInvalid, RunnerNotAllowed.
    """
    if wanted and wanted not in RUNNERS_BY_PREFERENCE:
        raise WorkInvalid(field="runner", reason=f"one of {', '.join(RUNNERS_BY_PREFERENCE)} is wanted")
    for name in [wanted] if wanted else RUNNERS_BY_PREFERENCE:
        has_it = name in node.runners and (name != "process" or _takes_processes(node, actor))
        takes_it = name in {"podman", "docker"} if image else name not in {"podman", "docker"}
        if has_it and (takes_it or name == "fake"):
            return name
    raise RunnerNotAllowed(runner=wanted or ("container" if image else "process"))
