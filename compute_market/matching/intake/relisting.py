"""Hours of cancelled leases go back to the book, for providers who said so (rule M17)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from compute_market.leases.models import Lease
from compute_market.ledger import postings as ledger
from compute_market.matching.intake import acceptance
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Command, Order, Trade
from compute_market.offers.models import Node

BATCH = 200


def relist_cancelled(*, now: datetime) -> set[int]:
    """Offer the hours of leases again that were given back before they began. Gives the shards with work.

    At the price of the offer that they were sold by. The id of the new offer is made from the lease's, so
    each lease is offered again once. Nodes that are silent now are looked at again by the next sweep.
    """
    cancelled = Lease.objects.filter(
        ends_at__lt=F("agreed_end_at"),
        agreed_end_at__gt=now,
        ends_at=F("starts_at"),
        starts_at__gt=now,
        parent=None,
        node__in=Node.objects.tradable(now).filter(provider__relists_cancelled=True),
    ).select_related("product", "node__provider")
    shards: set[int] = set()
    for lease in cancelled.order_by("pk")[:BATCH]:
        shards |= _offer_again(lease, now)
    return shards


def _offer_again(lease: Lease, now: datetime) -> set[int]:
    """A refusal is final: the provider offered the hours itself, or the product takes no such order."""
    name = f"relist-{lease.pk}"
    if Command.objects.filter(kind=Command.Kind.NEW, account=lease.seller_id, client_order_id=name).exists():
        return set()
    sold_by = Trade.objects.select_related("sell").get(pk=lease.trade_number).sell
    request = OrderRequest(
        client_order_id=name,
        product=lease.product.slug,
        side=Order.Side.SELL.value,
        gpus=lease.gpus,
        start=lease.starts_at,
        end=lease.agreed_end_at,
        price_micros_per_gpu_hour=sold_by.price_micros_per_gpu_hour,
        node_id=lease.node_id,
    )
    namespace_id = lease.node.provider.namespace_id
    with transaction.atomic(durable=True):
        accounts = ledger.lock_main_accounts(namespace_ids=[namespace_id], now=now)
        batch = acceptance.Batch(accounts=accounts.values(), now=now)
        acceptance.Acceptance(account=accounts[namespace_id], requests=[request], batch=batch).answer(request)
        return batch.write()
