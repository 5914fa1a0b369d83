"""Who may trade for a namespace, and who may stop the market: the ledger's rules, by the market's names."""

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
