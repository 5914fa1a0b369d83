"""Who sees a lease and who may act on it: its holder; its provider for what concerns the node."""

from compute_market.ledger.policies import (
    buying_namespaces,
    is_capped,
    may_buy,
    may_spend,
    readable_namespaces,
    require_market_scope,
    require_operator,
    require_trade_scope,
)

__all__ = [
    "buying_namespaces",
    "is_capped",
    "may_buy",
    "may_spend",
    "readable_namespaces",
    "require_market_scope",
    "require_operator",
    "require_trade_scope",
]
