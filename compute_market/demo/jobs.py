"""The jobs that the demo's tasks run."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from compute_market.demo import agent, local, maker


def tend(*, now: datetime) -> None:
    """Keep the demo's nodes alive and this machine on offer, unless the demo is turned off.

    The nodes then fall silent like any others.
    """
    if settings.MARKET_DEMO:
        agent.tend(now=now)
        local.offer(now=now)


def trade(*, now: datetime) -> None:
    """Trade a little, unless that is turned off."""
    if settings.MARKET_DEMO and settings.MARKET_DEMO_TRADES:
        maker.trade(now=now)
