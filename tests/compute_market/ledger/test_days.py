"""Spending and earnings of an account by day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market.ledger import selectors
from compute_market.ledger.models import Account, Transfer
from compute_market.web import charts
from tests.factories.exchange import main_account, rich
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db


def move(debit: Account, credit: Account, kind: str, amount: int, days_ago: int) -> None:
    Transfer.objects.create(
        debit=debit,
        credit=credit,
        kind=kind,
        amount_micros=amount * CREDIT,
        cause=f"test/{kind}/{days_ago}/{amount}",
        at=NOON - timedelta(days=days_ago),
    )


@pytest.mark.breaks_the_books
class TestDays:
    def test_count_rent_and_fees_less_refunds_and_nothing_else(self) -> None:
        mine, other = main_account(rich()), main_account(rich())
        move(mine, other, Transfer.Kind.ESCROW, 10, 1)
        move(mine, other, Transfer.Kind.FEE, 1, 1)
        move(mine, other, Transfer.Kind.CANCELLATION, 2, 1)
        move(other, mine, Transfer.Kind.REFUND, 4, 1)
        move(other, mine, Transfer.Kind.USAGE, 7, 0)
        move(mine, other, Transfer.Kind.BOND, 100, 0)
        move(mine, other, Transfer.Kind.ESCROW, 50, 14)
        days = selectors.days_of(mine, now=NOON)
        assert len(days) == 14
        assert days[-1] == selectors.DayTotal(NOON.date(), 0, 7 * CREDIT)
        assert (days[-2].spent_micros, days[-2].earned_micros) == (9 * CREDIT, 0)
        assert sum(day.spent_micros for day in days) == 9 * CREDIT


class TestBars:
    def test_are_as_tall_as_their_share_of_the_largest(self) -> None:
        day = NOON.date()
        first, second, third = charts.day_bars([(day, 5), (day, 10), (day, -3)])
        assert (first.height, second.height, third.height) == (40, 80, 0)
        assert charts.day_bars([(day, 0)]) == charts.day_bars([]) == []
