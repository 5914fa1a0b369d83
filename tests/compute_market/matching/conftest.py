"""A provider with a machine, and somebody to trade with."""

from __future__ import annotations

import pytest

from compute_market.offers.models import Node
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import rich


@pytest.fixture
def provider() -> Principal:
    return rich()


@pytest.fixture
def user() -> Principal:
    return rich()


@pytest.fixture
def machine(provider: Principal) -> Node:
    return exchange.node(provider, exchange.product())
