"""Each of the market's frequent statements reads an index; none sorts or reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from compute_market.leases import jobs
from compute_market.leases.models import Lease
from compute_market.ledger import selectors as ledger
from compute_market.ledger.models import Account, AccountEvent, Reservation
from compute_market.matching import commandlog
from compute_market.matching.models import CancelAfter, Order
from compute_market.matching.views import marketdata, selectors
from compute_market.offers.models import Node, Product
from tests import plans
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db
PRODUCT = Product(pk=1, shard_id=1)

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
    "whether an order is pending": (
        lambda: selectors.is_pending(7),
        "matching_order",
        "matching_order_pkey",
        "id",
    ),
    "an order as it is": (
        lambda: selectors.as_it_is(Order(pk=7)),
        "matching_order",
        "matching_order_pkey",
        "id",
    ),
    "the newest amendment of an order": (
        lambda: selectors.newest_amendment(Order(pk=7)),
        "matching_command",
        "command_amends",
        "order_id",
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
    "the last price of a product": (
        lambda: marketdata.ticker(PRODUCT, now=NOON),
        "matching_trade",
        "trade_of_product",
        "product_id",
    ),
    "the best prices of a product": (
        lambda: marketdata.ticker(PRODUCT, now=NOON),
        "matching_level",
        "level_once",
        "product_id side",
    ),
    "the newest news of a product": (
        lambda: marketdata.last_news(PRODUCT),
        "matching_outbox",
        "outbox_once_a_topic",
        "shard_id topic",
    ),
    "news of a product": (
        lambda: marketdata.news_after(PRODUCT, after=5, limit=100),
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


# Sweeps, which look for what is due: by whatever index, but not among what is over.
DUE: dict[str, tuple[Callable[[], object], str, str, str]] = {
    "orders whose time is up": (
        lambda: list(Order.objects.overdue(NOON)),
        "matching_order",
        "order_expires",
        "expires_at",
    ),
    "accounts whose orders are to be cancelled": (
        lambda: list(CancelAfter.objects.filter(at__lte=NOON)),
        "matching_cancelafter",
        "matching_cancelafter_at_f923cc58",
        "at",
    ),
    "reservations that end": (
        lambda: list(Reservation.objects.overdue(NOON)),
        "ledger_reservation",
        "reservation_expires",
        "expires_at",
    ),
    "leases that begin": (
        lambda: list(Lease.objects.due_to_start(NOON)),
        "leases_lease",
        "lease_live_on_node",
        "starts_at",
    ),
    "leases that end": (
        lambda: list(Lease.objects.due_to_end(NOON)),
        "leases_lease",
        "lease_live_by_end",
        "ends_at",
    ),
    "nodes that fell silent": (
        lambda: list(Node.objects.gone_stale(NOON)),
        "offers_node",
        "node_heard",
        "is_stale last_heartbeat_at",
    ),
}


def reads_of(found: list[plans.Node], table: str) -> list[plans.Node]:
    """The steps that read a table; there is one."""
    reads = [node for node in found if node.table == table]
    assert reads, found
    return reads


@pytest.mark.parametrize("name", HOT)
def test_is_served_by_an_index(name: str) -> None:
    ask, table, index, columns = HOT[name]
    with plans.indexes_only():
        found = plans.plans_of(ask)
    for node in reads_of(found, table):
        if connection.vendor == "sqlite" and index.endswith("_pkey"):
            assert node.kind == "primary key"
            continue
        assert node.kind in {"index", "index only"}
        # SQLite numbers the indexes of unique constraints.
        assert node.index == index or node.index.startswith("sqlite_autoindex_")
        assert set(columns.split()) <= set(re.findall(r"\w+", node.begins))
    assert not [node for node in found if node.kind == "sort"]


@pytest.mark.postgres
class TestSweeps:
    @pytest.mark.parametrize("name", DUE)
    def test_find_what_is_due_by_an_index(self, name: str) -> None:
        ask, table, index, columns = DUE[name]
        with plans.indexes_only():
            [statement] = plans.statements_of(ask)
            found = plans.plan_of(plans.unordered(statement))
        for node in reads_of(found, table):
            assert node.index == index
            assert set(columns.split()) <= set(re.findall(r"\w+", node.begins))

    @pytest.mark.django_db(transaction=True)
    def test_of_leases_leave_out_those_that_are_settled(self) -> None:
        sent = plans.statements_of(lambda: jobs.advance(now=NOON))
        with transaction.atomic(), plans.indexes_only():
            found = [plans.plan_of(plans.unordered(statement)) for statement in sent]
        assert len(found) >= 10
        for plan in found:
            first, *others = reads_of(plan, "leases_lease")
            assert first.index.startswith("lease_live_"), plan
            assert all(node.index in {"lease_resold", "leases_lease_pkey"} for node in others)


@pytest.mark.postgres
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_a_statement_is_found_by_both_its_sides(is_analyzed: bool) -> None:
    if is_analyzed:  # as the server does by itself at any moment
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    with plans.indexes_only(), connection.cursor() as cursor:
        # Of an account among many, both indexes are read together, which is a plan of bitmaps.
        cursor.execute("SET LOCAL enable_bitmapscan = on")
        cursor.execute("SET LOCAL enable_indexscan = off")
        found = plans.plans_of(lambda: ledger.statement(account=Account(pk=7)))
    assert {node.index for node in found if node.index} == {"transfer_debits", "transfer_credits"}
