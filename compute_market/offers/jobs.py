"""Jobs of supply: they mark nodes as silent, and delete old reports."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from compute_market.offers import bonds
from compute_market.offers.models import Heartbeat, Node
from compute_market.offers.signals import announce, node_went_stale

BATCH = 200
HEARTBEATS_KEPT = timedelta(days=8)


def mark_silent_nodes(*, now: datetime) -> int:
    """Stop the trade in nodes whose heartbeat is too old, each in a commit of its own. Safe to run twice."""
    marked = 0
    for node_id in Node.objects.gone_stale(now).order_by("pk").values_list("pk", flat=True)[:BATCH]:
        with transaction.atomic(durable=True):
            node = (
                Node.objects.gone_stale(now)
                .select_for_update(of=("self",))
                .select_related("product")
                .filter(pk=node_id)
                .first()
            )
            if node is None:
                continue
            node.is_stale = True
            node.save(update_fields=["is_stale"])
            announce([(node_went_stale, node)], now=now)
            marked += 1
    return marked


def review_bonds(*, now: datetime) -> int:
    """Review providers whose nodes were checked against another value of `MARKET_DECLARED_BOND`, or none.

    Each in a commit of its own; safe to run twice. Returns the number of changed nodes.
    """
    changed = 0
    for provider_id in bonds.misjudged():
        with transaction.atomic(durable=True):
            changed += bonds.review_providers([provider_id], now=now)
    return changed


def forget_old_heartbeats(*, now: datetime) -> int:
    """Let evidence go that every lease was metered by long ago."""
    with transaction.atomic(durable=True):
        gone, _ = Heartbeat.objects.filter(minute__lt=now - HEARTBEATS_KEPT).delete()
    return gone
