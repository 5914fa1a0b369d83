"""The texts of rows of the ledger, which audits and the operator's pages print."""

from __future__ import annotations

import pytest

from compute_market.ledger.errors import CapReached
from compute_market.ledger.models import (
    Account,
    AccountEvent,
    AccountStream,
    Reservation,
    TokenBudget,
    TokenPurchase,
    Transfer,
)
from tests.factories.market import CREDIT


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Account(pk=3, kind="main", namespace_id=7), "main account 3 of namespace 7"),
        (Account(pk=3, kind="fees", shard=0), "fees account 3 of shard 0"),
        (
            Reservation(pk=5, amount_micros=9, state="open", cause="order/1"),
            "open reservation 5 of 9 for order/1",
        ),
        (Transfer(kind="fee", amount_micros=9, debit_id=1, credit_id=2), "fee of 9 from 1 to 2"),
        (TokenBudget(token_number=4), "budget of token 4"),
        (TokenPurchase(order_number=6, budget_id=8), "order 6 of token budget 8"),
        (AccountStream(account_id=3), "stream of account 3"),
        (AccountEvent(account_id=3, number=2), "event 2 of account 3"),
    ],
)
def test_rows_name_themselves(row: object, text: str) -> None:
    assert str(row) == text


def test_a_cap_is_refused_in_credits() -> None:
    refusal = CapReached(cap_micros=10 * CREDIT, left_micros=CREDIT // 2, needed_micros=1)
    assert (
        str(refusal) == "This token can spend 10.00 credits in total; 0.50 are left and 0.000001 are needed."
    )
    assert refusal.details["left_micros"] == CREDIT // 2
