"""The bond that declared hardware needs while it trades (rule M18, ADR 0178).

Each declared node records if its bond is too small (`Node.lacks_bond`). The field is updated in the
transaction that changes one of its causes: a report, a retirement, a movement of the bond.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q, Sum

from compute_market.amounts import MICROS_PER_CREDIT
from compute_market.ledger.models import Account
from compute_market.offers.models import HardwareReport, Node, NodeQuerySet, Provider
from compute_market.offers.signals import Fact, announce, node_bond_fell_short, node_returned


class Bond(NamedTuple):
    """The bond that a provider has posted, and the bond that its declared hardware requires;
    micro-credits.
    """

    posted_micros: int
    needed_micros: int

    @property
    def suffices(self) -> bool:
        return self.posted_micros >= self.needed_micros


def bond_of(provider: Provider) -> Bond:
    """`MARKET_DECLARED_BOND` credits for every declared GPU of nodes that are not retired."""
    posted = Account.objects.filter(namespace=provider.namespace_id, kind=Account.Kind.BOND).first()
    gpus = _declared().filter(provider=provider).aggregate(gpus=Sum("gpus", default=0))["gpus"]
    return Bond(
        posted_micros=posted.balance_micros if posted else 0,
        needed_micros=_needed_micros(gpus),
    )


def lock(*, provider_ids: Collection[int], node_id: int | None = None) -> dict[int, Node]:
    """Lock providers, then their declared nodes and one node more, each by ascending id; by id.

    Every change of a node's kind of report, or of its retirement, holds the provider's lock. So the nodes
    that the bond covers cannot change meanwhile. Accounts are locked before.
    """
    if not provider_ids:
        return {}
    providers = Provider.objects.select_for_update(no_key=True).filter(pk__in=provider_ids)
    held = list(providers.order_by("pk").values_list("pk", flat=True))
    wanted = Node.objects.filter(Q(pk=node_id) | Q(pk__in=_declared().filter(provider__in=held).values("pk")))
    nodes = wanted.select_for_update(of=("self",)).select_related("product", "provider")
    return {node.pk: node for node in nodes.order_by("pk")}


def review(nodes: Iterable[Node]) -> dict[int, Fact]:
    """Note on locked nodes whether their provider's bond is too small; node id → the fact to announce.

    Gives nothing for nodes of which nothing changed.
    """
    bonds: dict[int, Bond] = {}
    facts: dict[int, Fact] = {}
    for node in nodes:
        if node.state == Node.State.RETIRED:
            continue
        if node.is_declared and node.provider_id not in bonds:
            bonds[node.provider_id] = bond_of(node.provider)
        lacks_bond = node.is_declared and not bonds[node.provider_id].suffices
        if lacks_bond == node.lacks_bond:
            continue
        node.lacks_bond = lacks_bond
        node.save(update_fields=["lacks_bond"])
        if lacks_bond:
            facts[node.pk] = node_bond_fell_short, node
        elif not node.is_withdrawn:
            facts[node.pk] = node_returned, node
    return facts


def review_providers(provider_ids: Collection[int], *, now: datetime) -> int:
    """Lock, review and announce, as the last that a transaction does. Gives how many nodes changed."""
    facts = review(lock(provider_ids=provider_ids).values())
    announce(facts.values(), now=now)
    return len(facts)


def misjudged() -> list[int]:
    """Providers with a node whose `lacks_bond` does not follow from the bond as it is; two statements.

    None, unless `MARKET_DECLARED_BOND` was changed.
    """
    posted = dict(Account.objects.filter(kind=Account.Kind.BOND).values_list("namespace", "balance_micros"))
    declared = (
        _declared()
        .order_by("provider")
        .values("provider", "provider__namespace")
        .annotate(
            declared_gpus=Sum("gpus"), nodes=Count("pk"), lacking=Count("pk", filter=Q(lacks_bond=True))
        )
        .values_list("provider", "provider__namespace", "declared_gpus", "nodes", "lacking")
    )
    return [
        provider
        for provider, namespace, gpus, nodes, lacking in declared
        if lacking != (nodes if posted.get(namespace, 0) < _needed_micros(gpus) else 0)
    ]


def _declared() -> NodeQuerySet:
    """The nodes that bonds cover."""
    return Node.objects.filter(hardware=HardwareReport.Method.DECLARED).exclude(state=Node.State.RETIRED)


def _needed_micros(gpus: int) -> int:
    return gpus * settings.MARKET_DECLARED_BOND * MICROS_PER_CREDIT
