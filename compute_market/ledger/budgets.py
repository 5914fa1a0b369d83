"""Tokens that buy under a cap (scope `deploy`), and the orders that each of them placed (docs/adr/0174).

The matching room sums up what these orders hold and cost.
"""

from __future__ import annotations

from django.db.models import QuerySet

from compute_market.ledger import policies
from compute_market.ledger.models import TokenBudget, TokenPurchase
from foundation.held_rows import held_row
from hub.interface import Principal


def lock_budget(actor: Principal) -> TokenBudget | None:
    """The locked budget of a capped token, made at its first purchase; None for who buys without a cap.

    It is the first lock that is taken: before accounts. The transaction is the caller's.
    """
    if not policies.is_capped(actor) or actor.token is None:
        return None
    TokenBudget.objects.get_or_create(token_number=actor.token.pk)
    return held_row(TokenBudget.objects.select_for_update().filter(token_number=actor.token.pk))


def order_numbers(actor: Principal) -> QuerySet[TokenPurchase, int]:
    """The primary keys of all orders that a capped token placed, as a subquery."""
    number = actor.token.pk if actor.token is not None else 0
    return TokenPurchase.objects.filter(budget__token_number=number).values_list("order_number", flat=True)
