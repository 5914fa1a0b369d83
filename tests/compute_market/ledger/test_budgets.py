"""The budgets of capped tokens: whose they are, and what was bought with them."""

from __future__ import annotations

import pytest
from django.db import transaction

from compute_market.ledger import budgets
from compute_market.ledger.models import TokenBudget, TokenPurchase
from hub.accounts.principals import SYSTEM, Principal
from tests.factories.market import trader

pytestmark = pytest.mark.django_db


def locked(actor: Principal) -> TokenBudget | None:
    with transaction.atomic():
        return budgets.lock_budget(actor)


class TestLockBudget:
    def test_is_made_at_the_first_purchase_and_found_at_the_next(self) -> None:
        capped = trader(scopes=("deploy",))
        first = locked(capped)
        assert first is not None
        assert capped.token is not None
        assert first.token_number == capped.token.pk
        assert locked(capped) == first
        assert TokenBudget.objects.count() == 1

    def test_of_two_tokens_are_two(self) -> None:
        assert locked(trader(scopes=("deploy",))) != locked(trader(scopes=("deploy",)))

    def test_is_none_for_who_buys_without_a_cap(self) -> None:
        for actor in (SYSTEM, trader(), trader(scopes=("trade",))):
            assert locked(actor) is None
        assert not TokenBudget.objects.exists()


class TestOrderNumbers:
    def test_are_those_of_the_token_alone(self) -> None:
        mine, other, fresh = (trader(scopes=("deploy",)) for _ in range(3))
        for actor, orders in ((mine, (11, 12)), (other, (13,))):
            budget = locked(actor)
            assert budget is not None
            for order in orders:
                TokenPurchase.objects.create(budget=budget, order_number=order)
        assert set(budgets.order_numbers(mine)) == {11, 12}
        assert set(budgets.order_numbers(other)) == {13}
        assert set(budgets.order_numbers(fresh)) == set(budgets.order_numbers(trader())) == set()
