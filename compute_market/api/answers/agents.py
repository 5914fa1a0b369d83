"""Answers to the agents of nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from django.conf import settings
from msgspec import Meta

from compute_market.api.answers import fields
from compute_market.api.answers.leases import LeaseState, Served, WorkState
from compute_market.api.answers.supply import NodeState
from compute_market.leases import access
from compute_market.leases import selectors as leases
from compute_market.leases.models import Work
from compute_market.offers.models import Node
from compute_market.offers.services import Enrolment
from foundation.answers import Answer, shown

Token = Annotated[UUID, shown("0f2c1f5e-7f0a-4f0e-9d53-1b1e6a3f9c11")]
When = Annotated[datetime, shown(fields.NOON)]
HeartbeatSeconds = Annotated[int, shown(30, "How often the agent reports.")]


class AgentEnrolled(Answer):
    """The node, and its agent's own key."""

    node: Annotated[int, shown(3)]
    name: Annotated[str, shown("rack-1")]
    product: fields.Product
    gpus: fields.Gpus
    key_id: Annotated[str, shown("3f2a…")]
    key: Annotated[str, shown("mba_…", "Shown only here.")]
    heartbeat_seconds: HeartbeatSeconds

    @classmethod
    def of(cls, enrolment: Enrolment) -> Self:
        node = enrolment.node
        return cls(
            node=node.pk,
            name=node.name,
            product=node.product.slug,
            gpus=node.gpus,
            key_id=enrolment.key_id,
            key=enrolment.key,
            heartbeat_seconds=settings.MARKET_HEARTBEAT_SECONDS,
        )


class AgentStanding(Answer):
    """The state of the agent's node."""

    now: When
    state: NodeState
    reason: fields.Reason
    heartbeat_seconds: HeartbeatSeconds

    @classmethod
    def of(cls, node: Node, *, now: datetime) -> Self:
        return cls(
            now=now,
            state=node.state,
            reason=node.state_reason,
            heartbeat_seconds=settings.MARKET_HEARTBEAT_SECONDS,
        )


class TunnelTicket(Answer):
    """The ticket with which an agent waits for streams of a work, and the secret that proves it."""

    ticket: str
    secret: str
    until: When


class AssignedWork(Answer):
    """A work that should run; with `stop`, one that should end."""

    token: Token
    state: WorkState
    runner: Annotated[str, shown("podman")]
    image: Annotated[str, shown("pytorch:2.9")]
    command: Annotated[list[str], shown(["python", "train.py"])]
    environment: Annotated[dict[str, str], shown({"EPOCHS": "3"})]
    stop: Annotated[bool, shown(False)]
    serves: list[Served]
    tunnel: TunnelTicket | None

    @classmethod
    def of(cls, job: leases.Assignment, work: Work, *, now: datetime) -> Self:
        ticket = access.ticket_for(job, now=now)
        return cls(
            token=work.token,
            state=work.state,
            runner=work.runner,
            image=work.image,
            command=work.command,
            environment=work.environment,
            stop=work.state == Work.State.STOPPING,
            serves=[Served.of(entry) for entry in work.serves],
            tunnel=None if ticket is None else TunnelTicket(**ticket),
        )


class AssignedLease(Answer):
    """A lease that the node has to serve now."""

    id: fields.LeaseId
    token: Token | None
    state: LeaseState
    gpus: Annotated[list[int], shown([0, 1], "The indexes of its GPUs.")]
    run_until: When
    seconds_left: Annotated[float, shown(3600.0)]
    work: AssignedWork | None

    @classmethod
    def of(cls, job: leases.Assignment, *, now: datetime) -> Self:
        return cls(
            id=job.lease.pk,
            token=job.lease.token,
            state=job.lease.state,
            gpus=job.gpus,
            run_until=job.run_until,
            seconds_left=max(0.0, (job.run_until - now).total_seconds()),
            work=None if job.work is None else AssignedWork.of(job, job.work, now=now),
        )


class AgentAssignments(Answer):
    """All that should run now; the agent stops everything else."""

    now: When
    leases: list[AssignedLease]
    poll_seconds: Annotated[float, shown(1.0, "When to ask again, if nobody wakes the agent.")]
    poll_seconds_unwoken: Annotated[float, shown(1.0, "The same where the agent has no wake-up connection.")]


class EventResult(Answer):
    """The answer to one event. `code` says why it was refused, and is empty if it was taken."""

    accepted: Annotated[bool, shown(True)]
    code: Annotated[str, shown("")]


class AgentEventResults(Answer):
    results: Annotated[list[EventResult], Meta(description="One for each event, in their order.")]


class AgentLogExpected(Answer):
    expected: Annotated[int, shown(4096, "The byte of the output that is expected next.")]
