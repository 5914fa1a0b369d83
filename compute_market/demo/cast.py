"""The accounts of the demo: its providers, their nodes, and its buyer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from compute_market.ledger import services as ledger
from compute_market.offers import agents
from compute_market.offers import services as offers
from compute_market.offers.models import Node, Product, Provider
from hub.interface import SYSTEM, Namespace, NamespaceNotFound, create_organization, get_namespace

BALANCE_MICROS = 10_000_000 * 1_000_000
BOND_MICROS = 10_000 * 1_000_000
BUYER = "demo-buyer"
RUNNERS = ["fake"]


@dataclass(frozen=True, slots=True)
class Part:
    """One provider: its name, and (start of a product's name, nodes, GPUs a node)."""

    name: str
    full_name: str
    nodes: tuple[tuple[str, int, int], ...]


PROVIDERS = (
    Part("demo-gpu-east", "Demo GPUs East", (("h100-sxm-80g.", 2, 8), ("a100-sxm-80g.", 2, 8))),
    Part("demo-gpu-north", "Demo GPUs North", (("rtx4090-", 2, 8), ("l40s-", 1, 8), ("h20-", 1, 8))),
    Part("demo-npu", "Demo NPUs", (("910b-", 2, 8), ("mi300x-", 1, 8))),
)


def enter(*, now: datetime) -> int:
    """Make what is missing of the cast; gives how many nodes there are. Safe to run again."""
    buyer = _organization(BUYER, "Demo buyer")
    _fund(buyer, now=now)
    for part in PROVIDERS:
        owner = _organization(part.name, part.full_name)
        provider = offers.register_provider(actor=SYSTEM, namespace_id=owner.pk, now=now)
        Provider.objects.filter(pk=provider.pk).update(is_demo=True)
        _fund(owner, now=now)
        ledger.post_bond(actor=SYSTEM, namespace_id=owner.pk, amount_micros=BOND_MICROS, key="demo", now=now)
        for prefix, count, gpus in part.nodes:
            product = _product(prefix)
            if product is not None:
                _nodes(provider, product, count=count, gpus=gpus, now=now)
    return nodes().count()


def nodes() -> QuerySet[Node]:
    """The demo's nodes, in a fixed order."""
    found = Node.objects.filter(provider__is_demo=True).exclude(state=Node.State.RETIRED)
    return found.select_related("product", "provider__namespace").order_by("pk")


def buyer() -> Namespace | None:
    try:
        return get_namespace(BUYER)
    except NamespaceNotFound:
        return None


def _organization(name: str, full_name: str) -> Namespace:
    try:
        return get_namespace(name)
    except NamespaceNotFound:
        return create_organization(actor=SYSTEM, name=name, full_name=full_name)


def _fund(owner: Namespace, *, now: datetime) -> None:
    ledger.deposit(
        actor=SYSTEM, namespace_id=owner.pk, amount_micros=BALANCE_MICROS, key=f"demo/{owner.pk}", now=now
    )


def _product(prefix: str) -> Product | None:
    """The first open product of that make, on the tier that is not cut short."""
    found = Product.objects.filter(slug__startswith=prefix, state=Product.State.OPEN).order_by("tier", "pk")
    return found.first()


def _nodes(provider: Provider, product: Product, *, count: int, gpus: int, now: datetime) -> None:
    for number in range(1, count + 1):
        Node.objects.get_or_create(
            provider=provider,
            name=f"demo-{product.gpu}-{number}",
            defaults={
                "product": product,
                "gpus": gpus // product.lot * product.lot,
                "agent_key_id": agents.new_key_id(),
                "instance": f"demo-{provider.pk}-{product.pk}-{number}",
                "runners": RUNNERS,
                "state": Node.State.READY,
                "last_heartbeat_at": now,
                "enrolled_at": now,
            },
        )
