"""Who may trade for a namespace, and who may stop the market: the ledger's rules, by the market's names."""

from compute_market.ledger.policies import readable_namespaces, require_operator, require_spend

__all__ = ["readable_namespaces", "require_operator", "require_spend"]
