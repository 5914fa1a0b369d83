"""The profit of resales."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market.leases import jobs, selectors, services
from compute_market.offers.models import Node
from tests.factories import market
from tests.factories.exchange import main_account, rich
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def node() -> Node:
    return market.node(gpus=8)


def test_profit_is_the_price_less_the_fee_and_what_the_same_hours_cost(node: Node) -> None:
    holder = rich()
    account = main_account(holder)
    bought = market.lease(node, holder=holder, gpus=2, hours=2, price=6 * CREDIT)
    assert selectors.resale_profit_micros(account_id=account.pk) is None
    market.lease(node, gpus=1, hours=1, price=10 * CREDIT, parent=bought)
    # 10 credits, less 10 basis points of them, less the 6 credits of one GPU for one hour.
    assert selectors.resale_profit_micros(account_id=account.pk) == 3_990_000
    market.lease(node, gpus=1, hours=2, price=1 * CREDIT, seller_fee_bps=0, parent=bought)
    assert selectors.resale_profit_micros(account_id=account.pk) == -6_010_000
    # The provider sold hours of its own: that is no resale.
    assert selectors.resale_profit_micros(account_id=bought.seller_id) is None


def test_profit_of_a_settled_lease_is_what_the_seller_got(node: Node) -> None:
    holder, buyer = rich(), rich()
    account = main_account(holder)
    bought = market.lease(node, holder=holder, gpus=2, hours=2, price=6 * CREDIT)
    early = market.lease(node, holder=buyer, hours=1, price=10 * CREDIT, parent=bought)
    lost = market.lease(node, holder=buyer, hours=1, price=10 * CREDIT, parent=bought)
    assert selectors.resale_profit_micros(account_id=account.pk) == 2 * 3_990_000
    # The buyer gives one back before its start: the holder has paid for an hour that nobody pays.
    services.end_early(actor=buyer, lease_id=early.pk, now=NOON - timedelta(hours=1))
    # The other is not delivered: the holder gets the own payment for its hour back.
    services.reclaim(actor=market.operator(), lease_id=lost.pk, reason="repair", now=NOON)
    jobs.settle_leases(now=NOON)
    early.refresh_from_db()
    assert early.settled_at is not None
    income = early.cancel_fee_micros
    assert selectors.resale_profit_micros(account_id=account.pk) == income - 6 * CREDIT
