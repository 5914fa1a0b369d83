"""Draining a shard: claims, batches, snapshots, and engines that do not agree with the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from threading import Timer
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute_market.matching import jobs
from compute_market.matching.clearing import drain, shard_engines, tasks, wakeups, worker
from compute_market.matching.intake import services
from compute_market.matching.models import Cursor, Level, Order, Outbox, Snapshot, Trade
from compute_market.offers.models import Node
from foundation import spans
from foundation.clock import database_now
from foundation.redis_connection import hasty_connection
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import BUY, buy, sell
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine(provider: Principal) -> Node:
    return exchange.node(provider, exchange.product(), gpus=200)


def place_many(who: Principal, machine: Node, count: int) -> None:
    wanted = [exchange.request(machine.product, BUY, 1, 9, hours=(0, 1)) for _ in range(count)]
    services.place_orders(actor=who, orders=exchange.for_account(who, wanted), now=NOON)


class TestSpan:
    def test_is_around_a_batch(self, user: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        names: list[str] = []

        def noted(name: str, **_: object) -> nullcontext[None]:
            names.append(name)
            return nullcontext()

        monkeypatch.setattr(spans, "span", noted)
        buy(user, machine.product, 1, 9)
        worker.drain_shard(shard=0, now=NOON)
        assert "market.drain_batch" in names


class TestClaim:
    def test_is_given_to_one_at_a_time(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 9)
        first = drain.claim(shard=0, holder="first")
        assert first is not None
        assert drain.claim(shard=0, holder="second") is None
        drain.release(first)
        second = drain.claim(shard=0, holder="second")
        assert second is not None
        assert second.epoch == first.epoch + 1

    def test_runs_out_by_the_clock_of_the_database(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 9)
        first = drain.claim(shard=0, holder="first")
        assert first is not None
        held_until = Cursor.objects.get().held_until
        assert held_until is not None
        Cursor.objects.update(held_until=held_until - timedelta(minutes=1))
        assert drain.claim(shard=0, holder="second") is not None
        with pytest.raises(drain.StaleEpoch):
            drain.drain_batch(first, now=NOON)

    def test_of_somebody_else_is_left_alone(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 9)
        drain.claim(shard=0, holder="somebody")
        assert worker.drain_shard(shard=0, now=NOON) == 0
        assert drain.has_work(0)
        Cursor.objects.update(held_until=None)
        exchange.drain()


class TestBatch:
    def test_takes_as_many_statements_for_many_trades_as_for_one(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 200, 9, hours=(0, 1))
        exchange.drain()
        counts = []
        for size in (2, 60):
            place_many(user, machine, size)
            with CaptureQueriesContext(connection) as queries:
                exchange.drain()
            counts.append(len(queries))
        assert Trade.objects.count() == 62
        assert counts[0] == counts[1]

    def test_that_fails_leaves_nothing_and_the_engine_is_rebuilt(
        self, provider: Principal, user: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sell(provider, machine, 8, 9)
        exchange.drain()
        bid = buy(user, machine.product, 4, 9)
        with monkeypatch.context() as broken:
            broken.setattr(drain, "_advance", _fail)
            with pytest.raises(ConnectionError):
                exchange.drain()
        assert not Trade.objects.exists()
        assert Order.objects.get(pk=bid.pk).state == "pending"
        exchange.drain()
        assert Order.objects.get(pk=bid.pk).state == "filled"

    def test_goes_on_from_a_snapshot(
        self, provider: Principal, user: Principal, machine: Node, settings: Any
    ) -> None:
        settings.MARKET_SNAPSHOT_COMMANDS = 3
        sell(provider, machine, 8, 9)
        buy(user, machine.product, 4, 9, hours=(2, 5))
        exchange.drain()
        assert Snapshot.objects.get().sequence == 3
        shard_engines.forget_all()
        bid = buy(user, machine.product, 8, 9, hours=(5, 9))
        exchange.drain()
        assert Order.objects.get(pk=bid.pk).state == "filled"

    def test_is_refused_by_an_engine_that_differs_from_the_record(
        self, user: Principal, machine: Node
    ) -> None:
        buy(user, machine.product, 1, 9)
        exchange.drain()
        Cursor.objects.update(event_number=99)
        shard_engines.forget_all()
        buy(user, machine.product, 1, 9)
        with pytest.raises(shard_engines.Diverged):
            exchange.drain()
        Cursor.objects.update(event_number=2, held_until=None)
        exchange.drain()


class TestWakeUps:
    def test_ring_once_until_they_are_heard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wakeups, "KEY_MILLISECONDS", 60_000)
        wakeups.task_begun(0)
        sent: list[str] = []

        def listen(sender: str, **_: object) -> None:
            sent.append(sender)

        before_task_publish.connect(listen)
        try:
            for hear, expected in ((False, 1), (False, 1), (True, 2)):
                if hear:
                    tasks.drain_shard(shard=0)
                tasks.send_drain(0)
                assert sent.count(tasks.drain_shard.name) == expected
        finally:
            before_task_publish.disconnect(listen)
            wakeups.task_begun(0)


class TestPost:
    """A worker that has drained a shard listens for a moment, and no task is sent meanwhile."""

    @pytest.fixture(autouse=True)
    def _quiet(self) -> Iterator[None]:
        wakeups.task_begun(0)
        yield
        wakeups.task_begun(0)

    def post(self) -> wakeups.Listener:
        return wakeups.Listener(0, until=time.monotonic() + 60)

    def test_hears_a_wake_up_that_needs_no_task(self) -> None:
        with self.post() as listener:
            assert [wakeups.needs_task(0) for _ in range(3)] == [False] * 3
            assert listener.wait()
            assert not listener.wait()
        assert wakeups.needs_task(0)

    def test_hears_wake_ups_that_follow_closely_as_one_and_the_first_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.post() as listener:
            monkeypatch.setattr(wakeups, "GATHER_SECONDS", 60)
            wakeups.needs_task(0)
            assert listener.wait()  # or the test would run into its time limit
            monkeypatch.setattr(wakeups, "GATHER_SECONDS", 0.3)
            began = time.monotonic()
            ringing = Timer(0.1, wakeups.needs_task, [0])
            ringing.start()
            wakeups.needs_task(0)
            assert listener.wait()
            ringing.join()
            assert time.monotonic() - began > 0.2
            assert not listener.wait()

    def test_looks_again_if_it_was_not_manned_for_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.post() as listener:
            hasty_connection().delete(wakeups._listening_key(0))
            assert wakeups.needs_task(0)
            assert listener.wait()

    def test_is_given_up_when_its_time_is_over(self) -> None:
        with wakeups.Listener(0, until=time.monotonic()) as listener:
            assert wakeups.needs_task(0)
            assert not listener.wait()

    def test_is_where_a_worker_hears_of_an_order_after_the_last(
        self, user: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = buy(user, machine.product, 1, 9)
        later: list[Order] = []

        def wait(listener: wakeups.Listener) -> bool:
            if later:
                return False
            later.append(buy(user, machine.product, 1, 9))
            return True

        monkeypatch.setattr(wakeups.Listener, "wait", wait)
        assert worker.drain_shard(shard=0, now=NOON, listen_seconds=60) == 3
        assert {Order.objects.get(pk=order.pk).state for order in (first, *later)} == {"open"}


class TestPrune:
    def test_keeps_fresh_news_and_the_newest_snapshots(
        self, user: Principal, machine: Node, settings: Any
    ) -> None:
        settings.MARKET_SNAPSHOT_COMMANDS = 1
        for _ in range(5):
            buy(user, machine.product, 1, 9)
            exchange.drain()
        assert jobs.prune(now=database_now()) == 4  # two more are of accounts nobody follows
        assert list(Snapshot.objects.order_by("sequence").values_list("sequence", flat=True)) == [4, 5, 6]
        assert jobs.prune(now=database_now() + timedelta(days=4)) == 10
        assert Outbox.objects.count() == 0


class TestDepth:
    def test_shows_layers_that_add_up(self, provider: Principal, user: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9, hours=(0, 24))
        sell(provider, machine, 2, 9, hours=(0, 24))
        buy(user, machine.product, 6, 9, hours=(8, 16))
        exchange.drain()
        levels = Level.objects.order_by("start", "end").values_list("start", "end", "gpus", "orders")
        midnight = exchange.MIDNIGHT
        assert [
            ((start - midnight) // timedelta(hours=1), (end - midnight) // timedelta(hours=1), gpus, orders)
            for start, end, gpus, orders in levels
        ] == [(0, 8, 6, 1), (0, 24, 4, 2), (16, 24, 6, 1)]


def _fail(*_: object) -> None:
    raise ConnectionError
