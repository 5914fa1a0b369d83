"""Traders with tokens, a product and a node."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from compute_market.offers.models import Node, Product
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests.compute_market.api.callers import Trader
from tests.factories import exchange, market
from tests.factories import hub as make


@pytest.fixture
def trader(client: Client) -> Callable[..., Trader]:
    def call(*scopes: str, funds: int = 1_000_000, is_staff: bool = False) -> Trader:
        user = make.user()
        user.is_staff = is_staff
        user.save()
        if funds:
            market.fund(user.namespace_id, funds)
        return Trader(user, client, make.bearer(user, *(scopes or ("write", "trade"))))

    return call


@pytest.fixture
def product() -> Product:
    return exchange.product()


@pytest.fixture
def seller(trader: Callable[..., Trader]) -> Trader:
    return trader()


@pytest.fixture
def node(seller: Trader, product: Product) -> Node:
    return exchange.node(Principal(user=seller.user), product, now=database_now())
