"""Suppliers, as answers of the API show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compute_market.matching.views.offering import Offering


def supplier_rows(offerings: Iterable[Offering]) -> list[dict[str, Any]]:
    """Each provider with its bond, how its hardware is known, and its last 30 days."""
    return [
        {
            "provider": offering.supplier.name,
            "hardware": offering.hardware,
            "is_demo": offering.supplier.is_demo,
            "bond_micros": offering.supplier.bond_micros,
            "leases_30d": offering.supplier.leases,
            "broken_leases_30d": offering.supplier.broken_leases,
            "sold_minutes_30d": offering.supplier.sold_minutes,
            "delivered_minutes_30d": offering.supplier.delivered_minutes,
        }
        for offering in offerings
    ]
