"""Permissions on a lease: its holder has all; its provider has those that concern the node."""

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
