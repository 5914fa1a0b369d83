"""The charge for giving back a future lease, paid by its holder (rule M17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from compute_market import quantities
from compute_market.leases.models import Lease
from compute_market.leases.states import State
from compute_market.offers.selectors import cancellation_terms
from foundation import clock


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Until when a lease may be given back free, and the fee after that, in micro-credits."""

    free_until: datetime
    fee_micros: int

    def fee_at(self, now: datetime) -> int:
        return 0 if now <= self.free_until else self.fee_micros


def given_up_micros(lease: Lease, *, ends_at: datetime) -> int:
    """The price of the minutes that an end at this time leaves out.

    Minutes after a notice of the provider are not the holder's to give up.
    """
    until = lease.agreed_end_at
    if lease.preempt_at is not None:
        until = min(until, clock.ceil_minute(lease.preempt_at))
    return max(0, clock.minutes_between(ends_at, until)) * lease.price_micros_per_minute


def refund_micros(lease: Lease, *, now: datetime) -> int:
    """The amount that ending a lease now pays back: the unused minutes, less the fee for cancelling."""
    ends_at = min(lease.ends_at, max(lease.starts_at, clock.ceil_minute(now)))
    fee = of_lease(lease).fee_at(now) if lease.state == State.PENDING and ends_at == lease.starts_at else 0
    return given_up_micros(lease, ends_at=ends_at) - fee


def of_lease(lease: Lease) -> Cancellation:
    """By the term that stood when the lease was bought; `fee_micros` is a share of what was paid in."""
    term = cancellation_terms([lease.product_id], at=lease.opened_at)[lease.product_id]
    return Cancellation(
        free_until=lease.starts_at - timedelta(hours=term.free_hours),
        fee_micros=quantities.share_micros(amount_micros=lease.notional_micros, bps=term.fee_bps),
    )
