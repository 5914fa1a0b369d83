"""A client of the market: `Market` for programs, `python -m compute_market.client` for people.

Only the standard library: it works wherever Python does, without Django.
"""

from compute_market.client.market import Market, MarketError

__all__ = ["Market", "MarketError"]
