"""The charge for giving back a future lease, paid by its holder (rule M17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from compute_market import quantities
from compute_market.leases.models import Lease
from compute_market.offers.selectors import cancellation_terms


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Until when a lease may be given back free, and the fee after that, in micro-credits."""

    free_until: datetime
    fee_micros: int

    def fee_at(self, now: datetime) -> int:
        return 0 if now <= self.free_until else self.fee_micros


def of_lease(lease: Lease) -> Cancellation:
    """By the term that stood when the lease was bought; `fee_micros` is a share of what was paid in."""
    term = cancellation_terms([lease.product_id], at=lease.opened_at)[lease.product_id]
    return Cancellation(
        free_until=lease.starts_at - timedelta(hours=term.free_hours),
        fee_micros=quantities.share_micros(amount_micros=lease.notional_micros, bps=term.fee_bps),
    )
