"""Before and after a purchase the pages say who supplies: its kind of hardware, its bond, its record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client

from compute_market.leases import jobs as leasing
from compute_market.leases.models import Lease
from compute_market.matching.models import Order
from compute_market.offers import services as supply
from hub.accounts.principals import Principal
from tests.clock import stopped_at
from tests.factories import exchange, market
from tests.factories.exchange import MIDNIGHT, drain, rich, sell
from tests.factories.market import NOON, declare, post_bond

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with stopped_at(NOON):
        yield


@pytest.fixture
def supplier() -> Principal:
    """A provider of a declared node with a bond of 800 credits, who broke the only lease it has sold."""
    who = rich()
    post_bond(who, 801)
    gone = market.node(who, gpus=1)
    market.lease(gone, price=60_000)
    supply.retire_node(actor=who, node_id=gone.pk, now=NOON)
    leasing.advance(now=NOON)
    return who


def signed_in(who: Principal) -> Client:
    assert who.user is not None
    client = Client()
    client.force_login(who.user)
    return client


def test_is_shown_on_ticket_quote_order_and_lease(supplier: Principal) -> None:
    machine = exchange.node(supplier, exchange.product())
    assert declare(machine).is_tradable(NOON)
    sell(supplier, machine, 8, 12)
    drain()
    buyer = signed_in(rich())
    address = f"/market/products/{machine.product.slug}"
    ticket = {
        "gpus": 2, "start": MIDNIGHT.strftime("%Y-%m-%dT%H:%M"), "hours": 10, "price": "12.00",
        "time_in_force": 0, "client_order_id": "web-1",
    }  # fmt: skip
    pages = {
        "ticket": buyer.post(address, {**ticket, "act": "review"}),
        "quote": buyer.get("/market/quote?gpus=2&hours=10&days=1"),
    }
    buyer.post(address, {**ticket, "act": "place"})
    drain()
    order = Order.objects.get(side=Order.Side.BUY)
    pages["order"] = buyer.get(f"/market/orders/{order.pk}")
    lease = Lease.objects.get(order_number=order.pk)
    assert lease.starts_at == MIDNIGHT < lease.ends_at == MIDNIGHT + timedelta(hours=10)
    pages["lease"] = buyer.get(f"/market/leases/{lease.pk}")
    for name, page in pages.items():
        text = page.content.decode()
        for told in (
            f"<b>{supplier.name}</b>",
            "declared hardware, not measured",
            'credits">80',  # of the 801 credits the broken lease was credited a part of one
            "0.0 % delivered in 30 days, 1 of 1 leases interrupted",
        ):
            assert told in text, (name, told)
