"""Reads of supply: products for everybody, nodes for their providers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from compute_market.ledger import policies
from compute_market.offers.errors import NodeNotFound, ProductNotFound, ProviderNotFound
from compute_market.offers.models import CancellationTerm, HardwareReport, Node, Product, Provider
from foundation.database.compiled import CompiledQuery
from hub.interface import Principal


def products() -> QuerySet[Product]:
    """Every product, also the closed ones."""
    return Product.objects.order_by("slug")


_by_slug = CompiledQuery(lambda slug: Product.objects.filter(slug=slug), slug="?slug")


def get_product(slug: str) -> Product:
    """Raises: ProductNotFound."""
    product = None if "\0" in slug else _by_slug.first(slug=slug)
    if product is None:
        raise ProductNotFound(product=slug)
    return product


def find_product(product_id: int) -> Product | None:
    """The product with this primary key."""
    return Product.objects.filter(pk=product_id).first()


def product_slugs() -> dict[int, str]:
    """Primary key → slug of every product."""
    return dict(Product.objects.values_list("pk", "slug"))


NODE_SIZE_DEFAULT = 8
"""What a product without a node is taken to have: as many GPUs as most machines."""


def node_size(product: OuterRef) -> Subquery:
    """The GPUs of a product's largest node that is not retired, as a value of a query; NULL without any."""
    nodes = Node.objects.filter(product=product).exclude(state=Node.State.RETIRED)
    return Subquery(nodes.order_by("-gpus").values("gpus")[:1])


def cancellation_terms(product_ids: Iterable[int], *, at: datetime) -> dict[int, CancellationTerm]:
    """Product id → the term by which leases that are bought at a moment can be cancelled, in one query."""
    ids = list(product_ids)
    terms = {pk: CancellationTerm(product_id=pk, since=at) for pk in ids}
    stood = CancellationTerm.objects.filter(product__in=ids, since__lte=at).order_by("since")
    return {**terms, **{term.product_id: term for term in stood}}


def get_provider(*, actor: Principal, namespace_id: int) -> Provider:
    """Raises: Unauthenticated, TradeScopeMissing, ProviderNotFound (also for a foreign one)."""
    provider = find_provider(actor=actor, namespace_id=namespace_id)
    if provider is None:
        raise ProviderNotFound
    return provider


def find_provider(*, actor: Principal, namespace_id: int) -> Provider | None:
    """As `get_provider`; None where the namespace is no provider, or a foreign one.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    policies.require_trade_scope(actor)
    if not policies.may_spend(actor, namespace_id):
        return None
    return Provider.objects.select_related("namespace").filter(namespace_id=namespace_id).first()


def has_demo() -> bool:
    """True if part of the supply belongs to the demo market, which pages must say."""
    return Provider.objects.filter(is_demo=True).exists()


def nodes(*, actor: Principal) -> QuerySet[Node]:
    """The nodes of every provider that the actor may act for."""
    policies.require_trade_scope(actor)
    mine = Node.objects.filter(provider__namespace__in=policies.readable_namespaces(actor))
    return mine.select_related("provider__namespace", "product").order_by("pk")


def get_node(*, actor: Principal, node_id: int) -> Node:
    """Raises: Unauthenticated, TradeScopeMissing, NodeNotFound (also for a foreign one)."""
    node = nodes(actor=actor).filter(pk=node_id).first()
    if node is None:
        raise NodeNotFound
    return node


def newest_report(node: Node) -> HardwareReport | None:
    """The last report of the node's agent."""
    return node.hardware_reports.order_by("-pk").first()
