"""Permissions to trade for a namespace and to stop the market. They are the ledger's rules under the market's
names.
"""

from compute_market.ledger.policies import (
    buying_namespaces,
    is_capped,
    may_spend,
    readable_namespaces,
    require_buy,
    require_market_scope,
    require_operator,
    require_spend,
    require_trade_scope,
)

__all__ = [
    "buying_namespaces",
    "is_capped",
    "may_spend",
    "readable_namespaces",
    "require_buy",
    "require_market_scope",
    "require_operator",
    "require_spend",
    "require_trade_scope",
]
