"""Checks that compare tables read one moment of the database, while people trade."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections

from compute_market.ledger.models import Transfer
from compute_market.matching.clearing import shard_engines, worker
from compute_market.matching.intake import services
from compute_market.read_snapshot import read_snapshot
from foundation.clock import database_now
from tests.concurrency.races import race
from tests.factories import exchange
from tests.factories.exchange import BUY, SELL
from tests.factories.market import fund, namespace_of

pytestmark = pytest.mark.django_db(transaction=True)


class TestReadSnapshot:
    def test_sees_one_moment_and_lets_others_commit(self) -> None:
        owner = namespace_of(exchange.rich())
        before = Transfer.objects.count()
        with read_snapshot():
            assert Transfer.objects.count() == before
            assert race(partial(fund, owner, 5)) == [None]
            assert Transfer.objects.count() == before
        assert Transfer.objects.count() == before + 1

    def test_writes_nothing(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has no transactions that only read.")
        with pytest.raises(Exception, match="read-only"), read_snapshot():
            fund(namespace_of(exchange.rich()), 5)


class TestAudits:
    def test_give_no_false_alarm_while_people_trade(self, settings: Any) -> None:
        settings.MARKET_SNAPSHOT_COMMANDS = 20
        provider, buyer = exchange.rich(), exchange.rich()
        now = database_now()
        node = exchange.node(provider, exchange.product(shard=1), gpus=200, now=now)
        start = (now + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
        window = {"start": start, "end": start + timedelta(hours=1)}
        done, failures = Event(), []

        def trade() -> None:
            try:
                while not done.is_set():
                    for who, side, source in ((provider, SELL, node.pk), (buyer, BUY, None)):
                        wanted = [
                            exchange.request(node.product, side, 1, 9, node_id=source, **window)
                            for _ in range(4)
                        ]
                        orders = exchange.for_account(who, wanted)
                        services.place_orders(actor=who, orders=orders, now=now)
                        worker.drain_shard(shard=1, now=now)
            except OperationalError as error:
                failures.append(error)
            finally:
                shard_engines.forget_all()
                connections.close_all()

        trader = Thread(target=trade)
        trader.start()
        try:
            for _ in range(4):
                call_command("audit_market")
                call_command("replay_market", batch=7)
        finally:
            done.set()
            trader.join()
        assert failures == []
