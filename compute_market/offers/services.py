"""Use cases of supply: become a provider, enrol a node, report, be heard, list and halt products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext

from compute_market.ledger import policies
from compute_market.offers import agents, bonds, hardware, selectors
from compute_market.offers import devices as claims
from compute_market.offers.errors import (
    EnrolmentRefused,
    NodeFieldInvalid,
    NodeNameTaken,
    NodeNotFound,
    NodeRetired,
    ReportInvalid,
    TooManyNodes,
)
from compute_market.offers.models import (
    GPUS_A_NODE_MAX,
    EnrolmentKey,
    HardwareReport,
    Heartbeat,
    Node,
    Product,
    Provider,
)
from compute_market.offers.signals import (
    announce,
    node_arrived,
    node_retired,
    node_returned,
    node_suspended,
)
from foundation import clock
from foundation.database.bulk_sql import add_rows
from foundation.held_rows import held_row
from hub.interface import Principal

REASON_CHARS_MAX = 300
ENROLMENT_LIFETIME = timedelta(days=7)
NODES_MAX = 1000
RUNNERS = frozenset({"process", "podman", "docker", "fake"})
INSTANCE_MAX = 64


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The result of an enrolment: the node, and the two halves of its key."""

    node: Node
    key_id: str
    key: str


def register_provider(*, actor: Principal, namespace_id: int, now: datetime) -> Provider:
    """Let a namespace supply GPUs. Doing it twice is the same as once.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember.
    """
    policies.require_spend(actor, namespace_id)
    with transaction.atomic(durable=True):
        provider, _ = Provider.objects.get_or_create(namespace_id=namespace_id, defaults={"created_at": now})
    return provider


def allow_processes(*, actor: Principal, provider: Provider, allowed: bool) -> Provider:
    """Let leases run plain processes on this provider's nodes, or stop letting them: for trusted pools.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember.
    """
    policies.require_spend(actor, provider.namespace_id)
    with transaction.atomic(durable=True):
        Provider.objects.filter(pk=provider.pk).update(allows_processes=allowed)
    provider.allows_processes = allowed
    return provider


def relist_cancelled(*, actor: Principal, provider: Provider, relists: bool) -> Provider:
    """Let hours that a holder gives back before they begin be offered again by themselves, or stop that.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember.
    """
    policies.require_spend(actor, provider.namespace_id)
    with transaction.atomic(durable=True):
        Provider.objects.filter(pk=provider.pk).update(relists_cancelled=relists)
    provider.relists_cancelled = relists
    return provider


def issue_enrolment_key(
    *, actor: Principal, provider: Provider, product: Product, name: str, gpus: int, now: datetime
) -> str:
    """Make the key with which one node enrols, once, within a week. It is shown only here.

    Raises: Unauthenticated, TradeScopeMissing, NotAMember, NodeFieldInvalid, NodeNameTaken, TooManyNodes.
    """
    policies.require_spend(actor, provider.namespace_id)
    name = name.strip()
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise NodeFieldInvalid(
            field="name", reason=gettext("1 to 80 characters are wanted, and no control characters")
        )
    if type(gpus) is not int or not 1 <= gpus <= GPUS_A_NODE_MAX or gpus % product.lot:
        raise NodeFieldInvalid(
            field="gpus",
            reason=gettext("1 to {limit} are wanted, a multiple of {lot}").format(
                limit=GPUS_A_NODE_MAX, lot=product.lot
            ),
        )
    key = agents.new_enrolment_key()
    with transaction.atomic(durable=True):
        held_row(Provider.objects.select_for_update().filter(pk=provider.pk))
        if provider.nodes.count() >= NODES_MAX:
            raise TooManyNodes(nodes_max=NODES_MAX)
        if provider.nodes.filter(name=name).exists():
            raise NodeNameTaken(name=name)
        EnrolmentKey.objects.create(
            provider=provider,
            product=product,
            gpus=gpus,
            name=name,
            digest=agents.digest(key),
            expires_at=now + ENROLMENT_LIFETIME,
            created_at=now,
        )
    return key


def enrol(*, key: str, instance: str, runners: Sequence[str], now: datetime) -> Enrolment:
    """Turn a one-time key into a node and its agent's key. `instance` is the machine's fingerprint.

    Raises: EnrolmentRefused (unknown, used or late key), NodeFieldInvalid, NodeNameTaken.
    """
    if not 1 <= len(instance) <= INSTANCE_MAX:
        raise NodeFieldInvalid(field="instance", reason=f"1 to {INSTANCE_MAX} characters are wanted")
    with transaction.atomic(durable=True):
        permit = (
            EnrolmentKey.objects.select_for_update(of=("self",))
            .select_related("provider")
            .filter(digest=agents.digest(key))
            .first()
        )
        if permit is None or permit.used_at is not None or permit.expires_at <= now:
            raise EnrolmentRefused
        if permit.provider.nodes.filter(name=permit.name).exists():
            raise NodeNameTaken(name=permit.name)
        key_id = agents.new_key_id()
        node = Node.objects.create(
            provider=permit.provider,
            product_id=permit.product_id,
            name=permit.name,
            gpus=permit.gpus,
            agent_key_id=key_id,
            instance=instance,
            runners=_known(runners),
            enrolled_at=now,
        )
        permit.used_at, permit.node = now, node
        permit.save(update_fields=["used_at", "node"])
    return Enrolment(node=node, key_id=key_id, key=agents.agent_key(key_id))


def authenticate_agent(*, request: agents.SignedRequest, now: datetime) -> Node:
    """Return the node whose agent sent this request, and use its nonce up.

    Raises: AgentRefused, AgentReplayed, AgentElsewhere.
    """
    with transaction.atomic(durable=True):
        return agents.authenticate(request, now=now)


def report_hardware(
    *, node: Node, method: str, devices: object, host: Mapping[str, Any], now: datetime
) -> HardwareReport:
    """Keep what an agent found. If it is not what the node enrolled with, the node is suspended.

    So it is if a device belongs to another node that is not retired (rule M18). A suspended node returns when
    a later report is right. Declared hardware is accepted, and trades as far as the provider's bond allows.
    Raises: ReportInvalid, NodeNotFound, NodeRetired.
    """
    if method not in HardwareReport.Method.values:
        raise ReportInvalid(
            field="method", reason=f"one of {', '.join(HardwareReport.Method.values)} is wanted"
        )
    found = hardware.read_devices(devices)
    with transaction.atomic(durable=True):
        nodes = bonds.lock(provider_ids=[node.provider_id], node_id=node.pk)
        locked = _one_of(nodes, node.pk)
        if locked.state == Node.State.RETIRED:
            # Retired since the request was recognized: it stays so, and claims no device.
            raise NodeRetired
        reason = hardware.verdict(locked, locked.product, found, method)
        reason = reason or claims.claim(locked, found, method=method, now=now)
        # It may name every model that an agent reports.
        reason = reason[:REASON_CHARS_MAX]
        report = HardwareReport.objects.create(
            node=locked,
            method=method,
            devices=[device.as_json() for device in found],
            host=hardware.read_host(host),
            is_accepted=not reason,
            reason=reason,
            received_at=now,
        )
        if reason:
            _set_state(locked, Node.State.SUSPENDED, reason)
            announce([(node_suspended, locked)], now=now)
            return report
        was_ready = locked.state == Node.State.READY
        locked.hardware = method
        locked.save(update_fields=["hardware"])
        _set_state(locked, Node.State.READY, "")
        facts = bonds.review(nodes.values())
        if not was_ready and not locked.is_withdrawn:
            facts[locked.pk] = node_returned, locked
        announce(facts.values(), now=now)
    return report


def hear_request(*, request: agents.SignedRequest, runners: Sequence[str], now: datetime) -> Node:
    """A signed heartbeat: its sender is verified and its content stored, in one transaction.

    Most heartbeats change only the time, and a thousand nodes send fifty a second; so that case is one
    statement beside the verification. Raises: as `authenticate_agent`.
    """
    with transaction.atomic(durable=True):
        node = agents.recognize(request, now=now)
        last = node.last_heartbeat_at
        is_plain = last is not None and last <= now and not node.is_stale and node.runners == _known(runners)
        if is_plain:
            agents.spend_nonce(node, request.nonce, heard_at=now)
            if last is None or clock.floor_minute(last) != clock.floor_minute(now):
                _note_minute(node, now)
        else:
            agents.spend_nonce(node, request.nonce)
    return node if is_plain else hear(node=node, runners=runners, now=now)


def hear(*, node: Node, runners: Sequence[str], now: datetime) -> Node:
    """A heartbeat: the node is there, this minute. One that had fallen silent trades again.

    `now` is the database's time; what the agent's clock says does not matter.
    """
    with transaction.atomic(durable=True):
        locked = _lock(node.pk)
        was_stale, is_first = locked.is_stale, locked.last_heartbeat_at is None
        locked.last_heartbeat_at = max(now, locked.last_heartbeat_at or now)
        locked.is_stale = False
        locked.runners = _known(runners)
        locked.save(update_fields=["last_heartbeat_at", "is_stale", "runners"])
        _note_minute(locked, now)
        if not locked.is_withdrawn and (was_stale or is_first):
            announce([(node_returned if was_stale else node_arrived, locked)], now=now)
    return locked


class HeartbeatRow(NamedTuple):
    """The columns of a heartbeat: a node was there in a minute."""

    node_id: int
    minute: datetime


def _note_minute(node: Node, now: datetime) -> None:
    """The node was heard in this minute: what leases are metered by."""
    add_rows(Heartbeat, [HeartbeatRow(node.pk, clock.floor_minute(now))], once=HeartbeatRow._fields)


def retire_node(*, actor: Principal, node_id: int, now: datetime) -> Node:
    """Take a node out of the market for good: its agent's key stops working and its offers are cancelled.

    Its leases, running or future, are lost to their holders: they are paid back at once, with the credit from
    the provider's bond. A bond that was too small may suffice for its provider's other declared nodes now.

    Raises: Unauthenticated, TradeScopeMissing, NodeNotFound.
    """
    found = selectors.get_node(actor=actor, node_id=node_id)
    with transaction.atomic(durable=True):
        nodes = bonds.lock(provider_ids=[found.provider_id], node_id=node_id)
        node = _one_of(nodes, node_id)
        if node.state != Node.State.RETIRED:
            _set_state(node, Node.State.RETIRED, "It was retired by its provider.")
            claims.let_go(node)
            facts = bonds.review(nodes.values())
            announce([(node_suspended, node), (node_retired, node), *facts.values()], now=now)
    return node


def _lock(node_id: int) -> Node:
    node = (
        Node.objects.select_for_update(of=("self",))
        .select_related("product", "provider")
        .filter(pk=node_id)
        .first()
    )
    if node is None:
        raise NodeNotFound
    return node


def _one_of(nodes: Mapping[int, Node], node_id: int) -> Node:
    if node_id not in nodes:
        raise NodeNotFound
    return nodes[node_id]


def _set_state(node: Node, state: Node.State, reason: str) -> None:
    node.state, node.state_reason = state, reason
    node.save(update_fields=["state", "state_reason"])


def _known(runners: Sequence[str]) -> list[str]:
    return sorted(RUNNERS & {str(name) for name in runners})
