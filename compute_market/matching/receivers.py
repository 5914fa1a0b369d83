"""News from supply that the engine must hear in its place: put on the command log, and the bell is rung."""

from __future__ import annotations

from datetime import datetime

from compute_market.matching import commandlog, listings, quantities, tasks
from compute_market.offers.models import Product


def suspend_offers(sender: object, *, node_id: int, shard: int, now: datetime, **_: object) -> None:
    """A node's agent is silent, or its report was refused: its offers leave the book."""
    commandlog.append(shard=shard, entries=[commandlog.Entry(kind="suspend", body=(node_id,))], now=now)
    tasks.ring(shard)


def return_offers(sender: object, *, node_id: int, shard: int, now: datetime, **_: object) -> None:
    """The node is back: its offers come back to their places."""
    body = (node_id, quantities.to_minutes(now))
    commandlog.append(shard=shard, entries=[commandlog.Entry(kind="resume", body=body)], now=now)
    tasks.ring(shard)


def change_listing(sender: object, *, product_id: int, shard: int, now: datetime, **_: object) -> None:
    """A product was listed, or its terms or state were changed."""
    listings.configure(Product.objects.get(pk=product_id), now=now)
    tasks.ring(shard)
