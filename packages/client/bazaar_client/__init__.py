"""A client of the market: `Market` for programs, `python -m bazaar_client` for people.

Only the standard library: it works wherever Python does, without Django.
"""

from bazaar_client.market import Market, MarketError

__all__ = ["Market", "MarketError"]
