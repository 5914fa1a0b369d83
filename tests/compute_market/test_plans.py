"""Each of the market's frequent statements reads an index; none sorts or reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from compute_market.leases.models import Lease
from compute_market.ledger.models import AccountEvent
from compute_market.matching import commandlog
from compute_market.matching.models import Order
from compute_market.matching.views import marketdata, selectors
from compute_market.offers.models import Product
from tests import plans
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db

HOT: dict[str, tuple[Callable[[], object], str, str, str]] = {
    # name: the call, the table that grows without end, the index that serves it, the columns it enters it by
    "orders of an account": (
        lambda: list(Order.objects.filter(account=7).order_by("-pk")[:50]),
        "matching_order",
        "order_of_account",
        "account_id",
    ),
    "the next commands of a shard": (
        lambda: commandlog.read(shard=1, after=5, limit=500),
        "matching_command",
        "command_once_in_its_log",
        "shard_id sequence",
    ),
    "whether a client order id was used": (
        lambda: selectors.is_placed(7, "a"),
        "matching_command",
        "command_once_a_client_order_id",
        "account_id client_order_id",
    ),
    "trades of a product": (
        lambda: list(selectors.trades(product_id=1)[:50]),
        "matching_trade",
        "trade_of_product",
        "product_id",
    ),
    "offers for a window": (
        lambda: selectors.asks(product_id=1, start=NOON, end=NOON, limit=20),
        "matching_level",
        "level_once",
        "product_id side",
    ),
    "bids for a window": (
        lambda: selectors.bids(product_id=1, start=NOON, end=NOON, limit=20),
        "matching_level",
        "level_once",
        "product_id side",
    ),
    "news of a product": (
        lambda: marketdata.news_after(Product(pk=1, shard_id=1), after=5, limit=100),
        "matching_outbox",
        "outbox_once_a_topic",
        "shard_id topic sequence",
    ),
    "leases of a holder": (
        lambda: list(Lease.objects.filter(holder=7).order_by("-pk")[:50]),
        "leases_lease",
        "lease_of_holder",
        "holder_id",
    ),
    "leases that are over": (
        lambda: list(
            Lease.objects.exclude(state="settled").live().filter(ends_at__lte=NOON).order_by("ends_at")
        ),
        "leases_lease",
        "lease_live_by_end",
        "ends_at",
    ),
    "events of an account": (
        lambda: list(AccountEvent.objects.filter(account=7, number__gt=5).order_by("number")[:100]),
        "ledger_accountevent",
        "account_event_number_once",
        "account_id number",
    ),
}


@pytest.mark.parametrize("name", HOT)
def test_is_served_by_an_index(name: str) -> None:
    ask, table, index, columns = HOT[name]
    with plans.indexes_only():
        found = plans.plans_of(ask)
    reads = [node for node in found if node.table == table]
    assert reads, found
    for node in reads:
        assert node.kind in {"index", "index only"}
        # SQLite numbers the indexes of unique constraints.
        assert node.index == index or node.index.startswith("sqlite_autoindex_")
        assert set(columns.split()) <= set(re.findall(r"\w+", node.begins))
    assert not [node for node in found if node.kind == "sort"]
