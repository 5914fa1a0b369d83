"""A data folder of an earlier release, with a market in full swing, comes to today's schema and trades on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from compute_market.leases import jobs as leasing
from compute_market.leases.models import JoinedFill, Lease
from compute_market.ledger.models import Account, Reservation
from compute_market.matching.clearing import drain, replay, shard_engines
from compute_market.matching.clearing import worker as matching
from compute_market.matching.models import Order, Trade
from compute_market.offers import jobs as supply
from compute_market.offers.models import DeviceClaim, Node
from tests.compute_market import old_data
from tests.compute_market.conftest import AUDITS
from tests.factories.market import NOON

SHARDS = (0, 1)
# A minute after the newest fact in the old data.
LATER = NOON + timedelta(minutes=66)


@pytest.fixture
def _old_database(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[None]:
    """For this test the connection leads to a database of its own, filled by the earlier release."""
    usual = connections["default"]
    with django_db_blocker.unblock():
        name = _make_database(tmp_path)
        old = connections.create_connection("default")
        old.settings_dict = {**usual.settings_dict, "NAME": name}
        connections["default"] = old
        shard_engines.forget_all()
        try:
            old_data.create()
            old_data.migrate()
            yield
        finally:
            old.close()
            connections["default"] = usual
            shard_engines.forget_all()
            _drop_database(name)


def _make_database(folder: Path) -> str:
    if connection.vendor == "sqlite":
        return str(folder / "old.sqlite3")
    name = f"old_{uuid4().hex}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return name


def _drop_database(name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


def findings() -> list[str]:
    found = [finding for audit in AUDITS for finding in audit()]
    return found + [finding for shard in SHARDS for finding in replay.replay(shard=shard, batch=3).findings]


@pytest.mark.usefixtures("_old_database")
def test_a_market_in_full_swing_comes_to_todays_schema_and_trades_on() -> None:
    _is_right_after_the_upgrade_and_the_first_sweep()
    _holds_for_a_partly_filled_buy_what_its_rest_needs()
    _knows_what_a_lease_costs_a_minute_and_what_its_holder_paid()
    _suspends_the_younger_of_two_nodes_that_reported_one_device()
    _trades_and_settles_on()
    _gives_the_fee_of_a_lease_on_a_retired_node_back_and_keeps_it_for_an_early_end()


def _is_right_after_the_upgrade_and_the_first_sweep() -> None:
    supply.review_bonds(now=LATER)
    assert findings() == []


def _holds_for_a_partly_filled_buy_what_its_rest_needs() -> None:
    partly = Order.objects.filter(side=1, state="partially_filled").select_related("reservation")
    assert {order.client_order_id for order in partly} >= {"a-part", "c-part"}
    for order in partly:
        assert order.reservation is not None
        assert order.reservation.amount_micros - order.reservation.drawn_micros == order.hold_micros


def _knows_what_a_lease_costs_a_minute_and_what_its_holder_paid() -> None:
    for lease in Lease.objects.all():
        minutes = (lease.agreed_end_at - lease.starts_at) // timedelta(minutes=1)
        assert lease.price_micros_per_minute * minutes == lease.notional_micros
        assert lease.buyer_fee_micros == Trade.objects.get(pk=lease.trade_number).buy_fee_micros
    assert not JoinedFill.objects.exists()
    assert [lease.gpus for lease in Lease.objects.exclude(given_up_micros=0)] == [1]


def _suspends_the_younger_of_two_nodes_that_reported_one_device() -> None:
    names = dict(Node.objects.values_list("name", "state"))
    assert (names["rack-1"], names["rack-2"], names["rack-7"]) == ("ready", "suspended", "ready")
    claims = dict(DeviceClaim.objects.values_list("identity", "node__name"))
    assert claims["uuid:gpu-a0"] == "rack-1"
    assert claims["machine:machine-rack-7/h100-sxm-80g/0"] == "rack-7"
    assert "rack-8" not in claims.values()


def _trades_and_settles_on() -> None:
    """Commands that nobody had drained are carried out; every lease comes to its end and is settled."""
    shard_engines.forget_all()
    for shard in SHARDS:
        matching.drain_shard(shard=shard, now=LATER)
        assert not drain.has_work(shard)
    assert not Order.objects.filter(state="pending").exists()
    assert findings() == []
    for hours in (0, 3, 24, 72):
        leasing.advance(now=LATER + timedelta(hours=hours))
    assert set(Lease.objects.values_list("state", flat=True)) == {"settled"}
    assert findings() == []


def _gives_the_fee_of_a_lease_on_a_retired_node_back_and_keeps_it_for_an_early_end() -> None:
    retired = Lease.objects.get(node__name="rack-8")
    assert retired.fee_refunded_micros == retired.buyer_fee_micros > 0
    early = Lease.objects.get(order_number=None, given_up_micros__gt=0)
    assert early.fee_refunded_micros <= early.buyer_fee_micros * 2 // 177
    escrow = Account.objects.filter(kind=Account.Kind.ESCROW)
    assert set(escrow.values_list("balance_micros", flat=True)) == {0}
    assert not Reservation.objects.open().exclude(account__held_micros__gt=0).exists()
