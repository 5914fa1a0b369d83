"""Providers, their nodes, and what the operator's switches changed."""

from __future__ import annotations

from typing import Annotated, Self

from compute_market.api.answers import fields
from compute_market.api.base import moment
from compute_market.offers import selectors
from compute_market.offers.models import HardwareReport, Node, Provider
from foundation.answers import Answer, shown

NodeState = Annotated[str, shown("ready", words=[str(state) for state in Node.State.values])]
Method = Annotated[str, shown("nvml", words=[str(method) for method in HardwareReport.Method.values])]


class ProviderAnswer(Answer):
    provider: Annotated[int, shown(2)]
    allows_processes: bool
    relists_cancelled: bool

    @classmethod
    def of(cls, provider: Provider) -> Self:
        return cls(
            provider=provider.pk,
            allows_processes=provider.allows_processes,
            relists_cancelled=provider.relists_cancelled,
        )


class NodeAnswer(Answer):
    """A node and its health."""

    id: Annotated[int, shown(3)]
    name: Annotated[str, shown("rack-1")]
    provider: fields.Provider
    product: fields.Product
    gpus: fields.Gpus
    state: NodeState
    reason: Annotated[str, shown("", "Why it is withheld from trading; empty where it is not.")]
    is_stale: Annotated[bool, shown(False, "Its last heartbeat is too old: it does not trade.")]
    lacks_bond: bool
    last_heartbeat_at: fields.Moment | None
    runners: Annotated[list[str], shown(["podman"])]
    hardware: Annotated[Method, shown("nvml", "How its hardware was measured; null: not yet.")] | None

    @classmethod
    def of(cls, node: Node) -> Self:
        report = selectors.newest_report(node)
        return cls(
            id=node.pk,
            name=node.name,
            provider=node.provider.namespace.name,
            product=node.product.slug,
            gpus=node.gpus,
            state=node.state,
            reason=node.withheld_reason,
            is_stale=node.is_stale,
            lacks_bond=node.lacks_bond,
            last_heartbeat_at=moment(node.last_heartbeat_at) if node.last_heartbeat_at else None,
            runners=node.runners,
            hardware=report.method if report else None,
        )


class NodesAnswer(Answer):
    items: list[NodeAnswer]


class EnrolmentKeyAnswer(Answer):
    key: Annotated[str, shown("mbe_…", "Shown only here.")]
    name: Annotated[str, shown("rack-1")]


class Halted(Answer):
    halted: Annotated[int, shown(1, "How many products stopped trading.")]


class Resumed(Answer):
    resumed: Annotated[int, shown(1, "How many products trade again.")]
