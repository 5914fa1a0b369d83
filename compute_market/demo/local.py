"""Real work on the first start: the hub's own machine as a node of its market.

The agent is a real one, run by the supervisor (`bazaar.server.local_node`). Its provider is an organization
of the operator's, and plain processes run on it for the operator only.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from compute_market.demo.weeks import EPOCH, WEEK
from compute_market.matching.intake import services as trading
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.offers import services as offers
from compute_market.offers.models import Node, Product, Provider
from compute_market.runners.cpu_slices import CpuSlices, cpu_slices, machine_memory_bytes
from foundation.errors import Refusal
from hub.interface import SYSTEM, Namespace, NamespaceNotFound, create_organization, get_namespace

PROVIDER = "this-machine"
NODE = "this-machine"
FOLDER = "local-node"
KEY_FILE = "enrolment"
# Of this machine's memory, the part that is let at most.
MEMORY_LET_PERCENT = 50
PART = "cpu1-{architecture}-2g"


def slices_here() -> tuple[CpuSlices, int] | None:
    """The parts that this machine lets, and how many; None where it has not enough for one.

    One processor is left to the hub where there are several, and half of the memory.
    """
    for architecture in ("x86", "arm"):
        try:
            cut = cpu_slices(PART.format(architecture=architecture))
        except ValueError:
            continue
        by_processors = max(1, len(cut.processors) - 1) // cut.cores
        by_memory = machine_memory_bytes() * MEMORY_LET_PERCENT // 100 // cut.memory_bytes
        count = min(by_processors, by_memory)
        return (cut, count) if count else None
    return None


def prepare(*, data: Path, now: datetime) -> bool:
    """Leave an enrolment key and what to let for the agent in the data folder. Safe to run again.

    Gives whether this machine lets anything.
    """
    found = slices_here()
    if found is None:
        return False
    cut, count = found
    product = (
        Product.objects.filter(slug__startswith=f"{cut.product}.", tier="reserved").order_by("pk").first()
    )
    if product is None:
        return False
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    provider = _provider(now=now)
    if provider.nodes.exists() or (folder / KEY_FILE).exists():
        return True
    key = offers.issue_enrolment_key(
        actor=SYSTEM, provider=provider, product=product, name=NODE, gpus=count, now=now
    )
    with os.fdopen(os.open(folder / KEY_FILE, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(f"{key} {cut.product} {count}\n")
    return True


def is_this_machine(node_id: int) -> bool:
    """True if the node is this machine's own."""
    return Node.objects.filter(pk=node_id, provider__namespace__name=PROVIDER).exists()


def offer(*, now: datetime) -> int:
    """Offer what is not offered yet of this machine, this week from now on and the next; gives how many."""
    placed = 0
    nodes = Node.objects.tradable(now).filter(provider__namespace__name=PROVIDER)
    for node in nodes.select_related("product", "provider"):
        this_week = int((now - EPOCH) / WEEK)
        for week in (this_week, this_week + 1):
            placed += _offer_week(node, week, is_begun=week == this_week, now=now)
    return placed


def _offer_week(node: Node, week: int, *, is_begun: bool, now: datetime) -> int:
    name = f"local-{node.pk}-{week}"
    namespace_id = node.provider.namespace_id
    if Order.objects.filter(account__namespace=namespace_id, client_order_id=name).exists():
        return 0
    wanted = OrderRequest(
        client_order_id=name,
        product=node.product.slug,
        side=Order.Side.SELL.value,
        gpus=node.gpus,
        start=None if is_begun else EPOCH + week * WEEK,
        end=EPOCH + (week + 1) * WEEK,
        price_micros_per_gpu_hour=node.product.reference_price_micros,
        node_id=node.pk,
    )
    try:
        trading.place_order(actor=SYSTEM, namespace_id=namespace_id, request=wanted, now=now)
    except Refusal:
        return 0
    return 1


def _provider(*, now: datetime) -> Provider:
    provider = offers.register_provider(actor=SYSTEM, namespace_id=_organization().pk, now=now)
    Provider.objects.filter(pk=provider.pk).update(allows_processes=True, processes_for_members=True)
    return provider


def _organization() -> Namespace:
    try:
        return get_namespace(PROVIDER)
    except NamespaceNotFound:
        return create_organization(actor=SYSTEM, name=PROVIDER, full_name="This machine")
