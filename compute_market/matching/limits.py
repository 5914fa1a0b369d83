"""The operator's settings for the whole market; each has a default (docs/configuration.md)."""

from __future__ import annotations

from django.conf import settings


def maker_fee_bps() -> int:
    """The exchange's share of what the resting side trades, in hundredths of a percent."""
    return int(settings.MARKET_MAKER_FEE_BPS)


def taker_fee_bps() -> int:
    """The same for the side that came in."""
    return int(settings.MARKET_TAKER_FEE_BPS)


def fee_bps_max() -> int:
    """The higher of the two: what a hold must cover."""
    return max(maker_fee_bps(), taker_fee_bps())


def open_orders_max() -> int:
    """Live orders an account may have."""
    return int(settings.MARKET_OPEN_ORDERS_MAX)


def bulk_max() -> int:
    """Orders in one bulk."""
    return int(settings.MARKET_BULK_MAX)


def batch_size() -> int:
    """Commands a drain takes into one commit."""
    return int(settings.MARKET_BATCH_SIZE)


def claim_seconds() -> int:
    """Time after which another worker takes over a shard whose worker has stopped responding."""
    return int(settings.MARKET_CLAIM_SECONDS)


def snapshot_commands() -> int:
    """Commands between two snapshots of a shard."""
    return int(settings.MARKET_SNAPSHOT_COMMANDS)
