"""Commands that end many orders of an account at once."""

from __future__ import annotations

from datetime import datetime

from compute_market.ledger import postings as ledger
from compute_market.matching import commandlog
from compute_market.matching.engine.commands import UNLOGGED, CancelAll
from compute_market.matching.models import Order

ALL_PRODUCTS = 0


def append_cancel_all(
    account: ledger.LockedAccount, *, product_id: int = ALL_PRODUCTS, now: datetime
) -> tuple[set[int], int]:
    """Ask every shard with live orders of an account to end them; gives the shards and how many orders.

    The caller opens the transaction and enqueues the drain.
    """
    live = Order.objects.live().filter(account_id=account.pk)
    if product_id != ALL_PRODUCTS:
        live = live.filter(product=product_id)
    shards = set(live.order_by().values_list("product__shard", flat=True).distinct())
    for shard in sorted(shards):
        entry = commandlog.Entry(
            command=CancelAll(UNLOGGED, account=account.pk, product=product_id), account_id=account.pk
        )
        commandlog.append(shard=shard, entries=[entry], now=now)
    return shards, live.count()
