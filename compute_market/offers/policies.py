"""Permissions to supply, and to see a provider's nodes."""

from __future__ import annotations

from compute_market.ledger.policies import (
    may_spend,
    readable_namespaces,
    require_operator,
    require_spend,
    require_trade_scope,
)

__all__ = ["may_spend", "readable_namespaces", "require_operator", "require_spend", "require_trade_scope"]
