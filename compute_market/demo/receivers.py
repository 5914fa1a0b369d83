"""Facts of supply that the demo hears."""

from __future__ import annotations

from django.db import transaction

from compute_market.demo import local, tasks


def offer_this_machine(sender: object, *, node_id: int, **_: object) -> None:
    """Offer this machine when its agent was heard for the first time: a newcomer wants to buy from it."""
    if local.is_this_machine(node_id):
        transaction.on_commit(lambda: tasks.tend.apply_async(retry=False), robust=True)
