"""The jobs of tasks and of the schedule. Each job may run twice, late, or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from compute_market import quantities
from compute_market.ledger import account_events
from compute_market.ledger import postings as ledger
from compute_market.matching import commandlog
from compute_market.matching.engine.commands import UNLOGGED, Expire
from compute_market.matching.intake import cancelling, listings, refusals
from compute_market.matching.models import (
    CancelAfter,
    Command,
    Cursor,
    Listing,
    Order,
    Outbox,
    RefusedOrder,
    Snapshot,
)

INDEX_SPAN = timedelta(hours=24)
NEWS_KEPT = timedelta(days=3)
SNAPSHOTS_KEPT = 3


def expire_orders(*, now: datetime, limit: int = 1000) -> set[int]:
    """Put an expiry on the log for every live order whose time is up. Gives the shards that have work now."""
    told = Command.objects.filter(kind=Command.Kind.EXPIRE, order=OuterRef("pk"))
    overdue = (
        Order.objects.overdue(now)
        .filter(~Exists(told))
        .order_by("pk")
        .values_list("pk", "account", "product__shard")[:limit]
    )
    by_shard: dict[int, list[commandlog.Entry]] = {}
    for pk, account, shard in overdue:
        entry = commandlog.Entry(command=Expire(UNLOGGED, pk), order_id=pk, account_id=account)
        by_shard.setdefault(shard, []).append(entry)
    for shard, entries in sorted(by_shard.items()):
        with transaction.atomic(durable=True):
            commandlog.append(shard=shard, entries=entries, now=now)
    return set(by_shard)


def cancel_overdue(*, now: datetime) -> int:
    """End the orders of accounts whose time came (`services.cancel_after`); gives of how many accounts.

    The sweep that calls it rings for every shard that has work.
    """
    ended = 0
    overdue = CancelAfter.objects.filter(at__lte=now).values_list("account__namespace", flat=True)
    for namespace_id in list(overdue):
        with transaction.atomic(durable=True):
            account = ledger.lock_account(namespace_id=namespace_id, now=now)
            spent, _ = CancelAfter.objects.filter(account=account.pk, at__lte=now).delete()
            if spent:  # else the trader asked again meanwhile
                cancelling.append_cancel_all(account, now=now)
                ended += 1
    return ended


def update_bands(*, now: datetime) -> set[int]:
    """Let each product's price band follow its index, and send the engine all other changed terms.

    Gives the shards that have work now.
    """
    changed: set[int] = set()
    for listing in Listing.objects.select_related("product").order_by("pk"):
        index = listings.index_micros(listing, since=now - INDEX_SPAN)
        is_quiet = (
            abs(index - listing.index_micros) * quantities.BASIS_POINTS
            < listing.index_micros * listings.QUIET_BPS
        )
        if is_quiet and listings.is_in_line(listing, now=now):
            continue
        with transaction.atomic(durable=True):
            listings.configure(listing.product, now=now, index_micros=None if is_quiet else index)
        changed.add(listing.product.shard_id)
    return changed


def prune(*, now: datetime) -> int:
    """Delete old stream events, account events and refusals, and all but the newest snapshots. The log stays
    complete.
    """
    gone, _ = Outbox.objects.filter(at__lt=now - NEWS_KEPT).delete()
    forgotten, _ = RefusedOrder.objects.filter(refused_at__lt=now - refusals.KEPT).delete()
    gone += forgotten + account_events.prune(now=now)
    for shard in Cursor.objects.values_list("shard", flat=True):
        snapshots = Snapshot.objects.filter(shard=shard)
        newest = list(snapshots.order_by("-sequence").values_list("pk", flat=True)[:SNAPSHOTS_KEPT])
        old, _ = snapshots.exclude(pk__in=newest).delete()
        gone += old
    return gone
