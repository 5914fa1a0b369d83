"""Leases, the work in them, the ports that it serves, and the ways to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from msgspec import UNSET, Meta, UnsetType

from compute_market.api.answers import fields
from compute_market.api.answers.market_data import SupplierAnswer
from compute_market.api.base import moment
from compute_market.leases import access, cancellation, selectors, serving
from compute_market.leases.models import Lease, LeaseEvent, Work
from compute_market.leases.states import State
from compute_market.matching.views import offering
from foundation.answers import Answer, shown
from hub.interface import Principal

LeaseState = Annotated[str, shown("active", words=[str(state) for state in State.values])]
WorkState = Annotated[str, shown("running", words=[str(state) for state in Work.State.values])]
ExitCode = Annotated[int, shown(0)]


class WorkOfLease(Answer):
    """The state of the newest work in a lease."""

    state: WorkState
    exit_code: ExitCode | None
    reason: fields.Reason

    @classmethod
    def of(cls, work: Work) -> Self:
        return cls(state=work.state, exit_code=work.exit_code, reason=work.reason)


class LeaseAnswer(Answer, kw_only=True):
    """A lease, and in a word what runs in it; `work` is null where the caller is not its holder."""

    id: fields.LeaseId
    product: fields.Product
    node: Annotated[str, shown("rack-1")]
    provider: fields.Provider
    hardware: fields.Hardware
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    agreed_end: Annotated[fields.End, Meta(description="The end that was bought; UTC.")]
    price_micros_per_gpu_hour: fields.Price
    notional_micros: fields.Micros
    used_micros: Annotated[fields.Micros, shown(96_000_000)]
    refunded_micros: Annotated[fields.Micros, shown(0)]
    fee_refunded_micros: Annotated[fields.Micros, shown(0)]
    credited_micros: Annotated[fields.Micros, shown(0)]
    cancel_fee_micros: Annotated[fields.Micros, shown(0)]
    delivered_minutes: Annotated[int, shown(60)]
    state: LeaseState
    reason: fields.Reason
    order: Annotated[int, shown(42, "The buy that brought it.")] | None
    preempt_at: fields.Moment | None
    holder: fields.Account | None
    extends: Annotated[int, shown(17, "The lease that it carries on.")] | None
    opened_at: fields.Moment
    settled_at: fields.Moment | None
    work: WorkOfLease | None

    @classmethod
    def of(cls, lease: Lease, work: Work | None) -> Self:
        """A lease with the newest work in it, None where the caller may not know."""
        return cls(
            id=lease.pk,
            product=lease.product.slug,
            node=lease.node.name,
            provider=lease.node.provider.namespace.name,
            hardware=offering.hardware_of(lease.node),
            gpus=lease.gpus,
            start=moment(lease.starts_at),
            end=moment(lease.ends_at),
            agreed_end=moment(lease.agreed_end_at),
            price_micros_per_gpu_hour=lease.price_micros_per_gpu_hour,
            notional_micros=lease.notional_micros,
            used_micros=lease.used_micros,
            refunded_micros=lease.refunded_micros,
            fee_refunded_micros=lease.fee_refunded_micros,
            credited_micros=lease.credited_micros,
            cancel_fee_micros=lease.cancel_fee_micros,
            delivered_minutes=lease.delivered_minutes,
            state=lease.state,
            reason=lease.reason,
            order=lease.order_number,
            preempt_at=moment(lease.preempt_at) if lease.preempt_at else None,
            holder=lease.holder.namespace.name if lease.holder.namespace else None,
            extends=lease.extends_id,
            opened_at=moment(lease.opened_at),
            settled_at=moment(lease.settled_at) if lease.settled_at else None,
            work=None if work is None else WorkOfLease.of(work),
        )

    @classmethod
    def seen_by(cls, actor: Principal, lease: Lease) -> Self:
        """One lease, with its work where the actor is its holder."""
        return cls.of(lease, selectors.newest_works(actor=actor, leases=[lease]).get(lease.pk))


class LeasesAnswer(Answer):
    items: list[LeaseAnswer]
    next: fields.Cursor | None


class CancelTerms(Answer):
    """The price of ending the lease before its end."""

    free_until: fields.Moment
    fee_micros: Annotated[fields.Micros, shown(2_304_000)]

    @classmethod
    def of(cls, terms: cancellation.Cancellation) -> Self:
        return cls(free_until=moment(terms.free_until), fee_micros=terms.fee_micros)


class LeaseDetail(LeaseAnswer, kw_only=True):
    """One lease with its supplier and the terms of its cancellation."""

    supplier: SupplierAnswer
    cancel: CancelTerms


class LeaseEventAnswer(Answer):
    """A state that the lease came into."""

    state: LeaseState
    reason: fields.Reason
    at: fields.Moment

    @classmethod
    def of(cls, event: LeaseEvent) -> Self:
        return cls(state=event.state, reason=event.reason, at=moment(event.at))


class LeaseEventsAnswer(Answer):
    items: list[LeaseEventAnswer]


class Served(Answer, kw_only=True):
    """A port or a socket that a work serves."""

    port: Annotated[int, shown(8888)] | UnsetType = UNSET
    socket: Annotated[str, shown("engine.sock", "A file in the work's folder.")] | UnsetType = UNSET
    name: Annotated[str, shown("notebook", "Empty for a port without one.")]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        return cls(port=entry.get("port", UNSET), socket=entry.get("socket", UNSET), name=entry["name"])


class WorkAnswer(Answer):
    """A program that runs, or ran, in a lease."""

    command: Annotated[list[str], shown(["python", "train.py"])]
    image: Annotated[str, shown("pytorch:2.9")]
    runner: Annotated[str, shown("podman")]
    state: WorkState
    exit_code: ExitCode | None
    reason: fields.Reason
    log_bytes: Annotated[int, shown(4096)]
    requested_at: fields.Moment
    serves: list[Served]

    @classmethod
    def of(cls, work: Work) -> Self:
        return cls(
            command=work.command,
            image=work.image,
            runner=work.runner,
            state=work.state,
            exit_code=work.exit_code,
            reason=work.reason,
            log_bytes=work.log_bytes,
            requested_at=moment(work.requested_at),
            serves=[Served.of(entry) for entry in work.serves],
        )


class LogsAnswer(Answer):
    """A piece of the output of a work."""

    work: WorkAnswer
    text: Annotated[str, shown("epoch 1 …\n")]
    next: Annotated[int, shown(4096, "Give it as `after` for what follows.")]


class Reclaimed(Answer):
    id: fields.LeaseId
    state: Annotated[LeaseState, Meta(examples=["reclaimed"])]
    reason: Annotated[str, shown("abuse")]

    @classmethod
    def of(cls, lease: Lease) -> Self:
        return cls(id=lease.pk, state=lease.state, reason=lease.reason)


class PortAnswer(Answer, kw_only=True):
    """One port of a work, with the addresses at which it is reached."""

    port: Annotated[int, shown(8888)] | None
    socket: Annotated[str, shown("engine.sock")] | None
    name: Annotated[str, shown("notebook")]
    url: (
        Annotated[
            str, shown("https://17--notebook.leases.example.org", "null: leases have no hosts of their own.")
        ]
        | None
    )
    path: Annotated[str, shown("/leases/17/ports/8888", "On the hub.")]

    @classmethod
    def of(cls, lease_id: int, entry: Mapping[str, Any]) -> Self:
        key = serving.key_of(entry)
        return cls(
            port=entry.get("port"),
            socket=entry.get("socket"),
            name=entry["name"],
            url=access.address_of(lease_id, entry["name"] or key) or None,
            path=access.path_of(lease_id, key),
        )


class OpenPort(PortAnswer, kw_only=True):
    """A port that the caller may reach, and until when."""

    until: fields.Moment


class SshAnswer(Answer):
    """The data of a login by ssh, with the host's keys for clients that check them."""

    host: Annotated[str, shown("hub.example.org")] | None
    port: Annotated[int, shown(2222)]
    user: Annotated[str, shown("17")]
    host_keys: Annotated[list[str], shown(["ssh-ed25519 AAAA…"])]


class TrafficAnswer(Answer):
    """Bytes towards what runs in the lease and back, and streams, as counted so far."""

    bytes_in: Annotated[int, shown(2048)]
    bytes_out: Annotated[int, shown(1_048_576)]
    streams: Annotated[int, shown(12)]

    @classmethod
    def of(cls, lease_id: int) -> Self:
        counted = selectors.traffic_of(lease_id)
        if counted is None:
            return cls(bytes_in=0, bytes_out=0, streams=0)
        return cls(bytes_in=counted.bytes_in, bytes_out=counted.bytes_out, streams=counted.streams)


class PortsAnswer(Answer):
    """The ports that a lease serves, and its login; `ssh` is null where there is none."""

    ports: list[PortAnswer]
    ssh: SshAnswer | None
    traffic: TrafficAnswer
    until: fields.Moment


class LinkAnswer(Answer):
    url: Annotated[str, shown("https://17--notebook.leases.example.org/?bazaar-grant=eyJ…")]
