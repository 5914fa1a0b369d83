"""Puts money, machines and a book in place for a test, through the market's own use cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction

from bazaar_testing.mock import filling
from bazaar_testing.mock.market.machines import RUNNERS, machines
from compute_market.ledger import services as ledger
from compute_market.matching.engine.commands import Side
from compute_market.matching.intake import services as trading
from compute_market.matching.models import Order
from compute_market.offers import agents, seeding
from compute_market.offers import services as offers
from compute_market.offers.catalogue import ACCELERATORS
from compute_market.offers.models import Node, Product
from foundation.clock import HOUR
from hub.interface import SYSTEM, Namespace, NamespaceNotFound, create_organization, get_namespace

PROVIDER, BUYER = "gpu-house", "gpu-buyer"
BOND_MICROS = 1_000_000_000_000
SHARDS = 2


@dataclass(frozen=True)
class Terms:
    """One line of the order book: a number of GPUs of a product, over a window, at a price."""

    product: Product
    gpus: int
    start: datetime
    end: datetime
    price_micros: int

    @classmethod
    def parse(cls, values: dict[str, Any], *, now: datetime) -> Terms:
        """`start` is the next full hour unless it is given. Raises: ValueError, TypeError, KeyError."""
        listed = ensure_product(str(values["product"]), now=now)
        start = _moment(values.get("start")) or now.replace(minute=0, second=0, microsecond=0) + HOUR
        price = values.get("price_micros")
        return cls(
            product=listed,
            gpus=int(values.get("gpus", 8)),
            start=start,
            end=start + timedelta(hours=int(values.get("hours", 24))),
            price_micros=listed.reference_price_micros if price is None else int(price),
        )


def ensure_product(slug: str, *, now: datetime) -> Product:
    """A product of the catalogue, listed if it was not. Raises: ValueError."""
    found = Product.objects.filter(slug=slug).first()
    if found is not None:
        return found
    parts = slug.split(".")
    kinds = {accelerator.slug: accelerator.interconnect for accelerator in ACCELERATORS}
    if len(parts) != 4 or kinds.get(parts[0]) != parts[3]:
        raise ValueError(
            f"The catalogue has no “{slug}”. One is GPU.REGION.TIER.INTERCONNECT, and the GPU one of "
            + ", ".join(f"{kind}…{wire}" for kind, wire in kinds.items())
        )
    gpu, region, tier, _ = parts
    with transaction.atomic():
        seeding.list_catalogue(regions=[region], tiers=[tier], shards=SHARDS, only={gpu}, now=now)
    return Product.objects.get(slug=slug)


def deposit(*, account: str, amount_micros: int, now: datetime) -> None:
    """Put money into an account. A missing owner is made as an organization that the tester trades for."""
    filling.ensure_owner(account)
    _pay_in(get_namespace(account), amount_micros, now=now)


def add_node(*, provider: str, product: Product, gpus: int, now: datetime) -> Node:
    """A machine of a provider, heard just now; its provider has a bond."""
    owner = _stranger(provider)
    registered = offers.register_provider(actor=SYSTEM, namespace_id=owner.pk, now=now)
    number = registered.nodes.count() + 1
    if number == 1:
        _pay_in(owner, BOND_MICROS, now=now)
        ledger.post_bond(actor=SYSTEM, namespace_id=owner.pk, amount_micros=BOND_MICROS, key="mock", now=now)
    node = Node.objects.create(
        provider=registered,
        product=product,
        name=f"{provider}-{number}",
        gpus=gpus,
        agent_key_id=agents.new_key_id(),
        instance=f"{provider}-{number}",
        runners=RUNNERS,
        state=Node.State.READY,
        last_heartbeat_at=now,
        enrolled_at=now,
    )
    machines.join(node)
    return node


def offer(values: dict[str, Any], *, now: datetime) -> tuple[Node, Order]:
    """A machine and the sell order of it: one line of the book."""
    terms = Terms.parse(values, now=now)
    provider = str(values.get("provider") or PROVIDER)
    node = add_node(provider=provider, product=terms.product, gpus=terms.gpus, now=now)
    return node, _place(provider, terms, side=Order.Side.SELL, node_id=node.pk, now=now)


def bid(values: dict[str, Any], *, now: datetime) -> Order:
    """Somebody's buy order, and the money for it."""
    terms = Terms.parse(values, now=now)
    buyer = str(values.get("buyer") or BUYER)
    hours = int((terms.end - terms.start) / HOUR)
    _pay_in(_stranger(buyer), 2 * terms.gpus * hours * terms.price_micros, now=now)
    return _place(buyer, terms, side=Order.Side.BUY, node_id=None, now=now)


def _place(account: str, terms: Terms, *, side: Side, node_id: int | None, now: datetime) -> Order:
    placed = trading.place_order(
        actor=SYSTEM,
        namespace_id=_stranger(account).pk,
        request=trading.OrderRequest(
            client_order_id=uuid4().hex,
            product=terms.product.slug,
            side=side.value,
            gpus=terms.gpus,
            start=terms.start,
            end=terms.end,
            price_micros_per_gpu_hour=terms.price_micros,
            node_id=node_id,
        ),
        now=now,
    )
    return Order.objects.get(pk=placed.pk)


def _stranger(name: str) -> Namespace:
    """Return the organization of that name; create it if the name is free. The tester does not
    trade for it.
    """
    try:
        return get_namespace(name)
    except NamespaceNotFound:
        return create_organization(actor=SYSTEM, name=name, full_name=name)


def _pay_in(owner: Namespace, amount_micros: int, *, now: datetime) -> None:
    ledger.deposit(actor=SYSTEM, namespace_id=owner.pk, amount_micros=amount_micros, key=uuid4().hex, now=now)


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
