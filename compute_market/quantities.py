"""Minutes and money of orders and leases: all figures are whole numbers, and money is micro-credits.

No other module computes notionals, shares in basis points, holds and average prices (ADR 0156).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
MINUTES_PER_HOUR = 60
BASIS_POINTS = 10_000
# The windows of a batch of orders begin and end at few different moments: each is worked out once.
WINDOWS_KEPT = 4096


@lru_cache(maxsize=WINDOWS_KEPT)
def to_minutes(moment: datetime) -> int:
    """Minutes since the epoch; a moment within a minute belongs to the one it is in."""
    return (moment - EPOCH) // MINUTE


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch; a moment within a millisecond belongs to the one it is in."""
    return (moment - EPOCH) // MILLISECOND


@lru_cache(maxsize=WINDOWS_KEPT)
def from_minutes(minutes: int) -> datetime:
    """The moment at which a minute since the epoch begins."""
    return EPOCH + minutes * MINUTE


def notional_micros(*, gpu_minutes: int, price_micros_per_gpu_hour: int) -> int:
    """The cost of GPU-minutes at a price on the tick: exact, because ticks are multiples of 60."""
    return gpu_minutes * (price_micros_per_gpu_hour // MINUTES_PER_HOUR)


def average_price_micros(*, notional_micros: int, gpu_minutes: int) -> int:
    """The price per GPU-hour at which GPU-minutes (at least one) cost a notional, rounded down."""
    return notional_micros * MINUTES_PER_HOUR // gpu_minutes


def share_micros(*, amount_micros: int, bps: int) -> int:
    """A share of an amount in basis points, rounded down: such as the fee of a trade (rule M9)."""
    return amount_micros * bps // BASIS_POINTS


def hold_micros(*, gpu_minutes: int, price_micros_per_gpu_hour: int, fee_bps: int) -> int:
    """The most that a buy can cost (rule M10). Fees are rounded down trade by trade, so it suffices."""
    notional = notional_micros(gpu_minutes=gpu_minutes, price_micros_per_gpu_hour=price_micros_per_gpu_hour)
    return notional + share_micros(amount_micros=notional, bps=fee_bps)
