"""Facts of the ledger that supply hears, inside the transaction in which they become true."""

from __future__ import annotations

from datetime import datetime

from compute_market.offers import bonds
from compute_market.offers.models import Provider


def review_its_nodes(sender: object, *, namespace_id: int, now: datetime, **_: object) -> None:
    """A bond was posted or released: the provider's declared nodes may trade again, or no more."""
    providers = Provider.objects.filter(namespace=namespace_id).values_list("pk", flat=True)
    bonds.review_providers(list(providers), now=now)
