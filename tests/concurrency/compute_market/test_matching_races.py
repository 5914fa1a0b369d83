"""Shards under pressure: twins, stale workers, killed workers, lost tasks. The record is right after each.

Right means: the audits find nothing, and every trade is the one that playing the command log again from
empty, undisturbed, makes (`replay`).
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connections
from django.db.models.expressions import RawSQL

from compute_market.ledger import checks as ledger_checks
from compute_market.ledger.models import Account
from compute_market.matching import tasks
from compute_market.matching.clearing import checks, drain, replay, settlement, shard_engines, worker
from compute_market.matching.errors import ClientOrderIdReused
from compute_market.matching.intake import services
from compute_market.matching.intake.group_commit import GroupCommit
from compute_market.matching.models import Command, Cursor, Order, Trade
from compute_market.matching.views import selectors
from compute_market.offers.models import Node, Product
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests.concurrency.races import kinds, race
from tests.factories import exchange
from tests.factories.exchange import BUY, SELL
from tests.factories.market import namespace_of
from tests.waiting import pause, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

SHARD = 1
KILLS = int(os.environ.get("BAZAAR_TEST_KILLS", "20"))


class Floor:
    """A product, a few providers with nodes, and a few buyers."""

    def __init__(self, shard: int = SHARD) -> None:
        self.shard = shard
        self.now = database_now()
        self.product: Product = exchange.product(shard=shard)
        self.sellers: list[Principal] = [exchange.rich() for _ in range(3)]
        self.buyers: list[Principal] = [exchange.rich(100_000_000) for _ in range(4)]
        self.nodes: list[Node] = [
            exchange.node(owner, self.product, gpus=250, now=self.now) for owner in self.sellers
        ]
        self.chance = random.Random(7)

    def wanted(self, side: int, chance: random.Random, node: int = 0) -> services.OrderRequest:
        start = (self.now + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
        start += timedelta(hours=chance.randrange(4))
        return exchange.request(
            self.product,
            side,
            chance.randrange(1, 3),
            9 + 3 * chance.randrange(4),
            start=start,
            end=start + timedelta(hours=chance.choice((1, 2, 24))),
            self_trade=chance.randrange(3),
            node_id=self.nodes[node].pk if side == SELL else None,
        )

    def place(self, count: int, seed: int) -> None:
        """Orders of all kinds, in small bulks, and a cancel now and then."""
        chance = random.Random(seed)
        for _ in range(0, count, 10):
            side = chance.choice((BUY, SELL))
            number = chance.randrange(3)
            owner = (self.buyers if side == BUY else self.sellers)[number]
            services.place_orders(
                actor=owner,
                orders=exchange.for_account(owner, [self.wanted(side, chance, number) for _ in range(10)]),
                now=self.now,
            )
            live = Order.objects.live().filter(account__namespace=namespace_of(owner)).first()
            if live is not None:
                services.cancel_order(actor=owner, order_id=live.pk, now=self.now)


@pytest.fixture(autouse=True)
def _no_engine_in_memory() -> Iterator[None]:
    shard_engines.forget_all()
    yield
    shard_engines.forget_all()


@pytest.fixture
def floor(settings: Any) -> Floor:
    settings.MARKET_BATCH_SIZE = 50
    settings.MARKET_SNAPSHOT_COMMANDS = 200
    return Floor()


def work_off(shard: int = SHARD) -> None:
    """Drain as the tasks of the sweep do after the claim of a dead worker has expired."""
    Cursor.objects.filter(shard=shard).update(held_until=None)
    worker.drain_shard(shard=shard, now=database_now())
    assert not drain.has_work(shard)


def require_right(shard: int = SHARD) -> None:
    assert checks.audit() == []
    assert ledger_checks.audit() == []
    for batch in (7, 1000):
        assert replay.replay(shard=shard, batch=batch).findings == []
    assert Trade.objects.filter(shard=shard).exists()


def stop_then(write: Callable[..., None]) -> Callable[..., None]:
    """Stop this process, as a debugger or a paused machine does, before it goes on to write."""

    def stopped(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        write(*args)

    return stopped


class TestTwoWorkers:
    def test_on_one_shard_drain_each_command_once(self, floor: Floor) -> None:
        floor.place(200, seed=1)
        outcomes = race(*[partial(worker.drain_shard, shard=SHARD, now=floor.now)] * 4)
        assert sum(count for count in outcomes if isinstance(count, int)) == Command.objects.count()
        require_right()

    def test_of_which_one_wakes_up_after_its_claim_find_the_shard_taken(self, floor: Floor) -> None:
        floor.place(100, seed=2)
        stopped = drain.claim(shard=SHARD, holder="stopped")
        assert stopped is not None
        assert drain.claim(shard=SHARD, holder="other") is None
        work_off()
        trades = Trade.objects.count()
        shard_engines.forget_all()
        with pytest.raises(drain.StaleEpoch):
            drain.drain_batch(stopped, now=floor.now)
        drain.release(stopped)
        assert Trade.objects.count() == trades
        require_right()

    def test_cannot_both_commit_a_batch_even_without_the_guard(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the look at the cursor switched off, the tables' own constraints stop the second one."""
        floor.place(60, seed=3)
        one = drain.claim(shard=SHARD, holder="one")
        Cursor.objects.update(held_until=None)
        two = drain.claim(shard=SHARD, holder="two")
        assert one is not None
        assert two is not None
        drain.drain_batch(two, now=floor.now)
        trades = Trade.objects.count()
        shard_engines.forget_all()
        with monkeypatch.context() as unguarded:
            unguarded.setattr(drain, "_guard", lambda held: None)
            (outcome,) = race(partial(drain.drain_batch, one, now=floor.now))
        assert isinstance(outcome, Exception)
        assert not isinstance(outcome, drain.StaleEpoch)
        assert Trade.objects.count() == trades
        shard_engines.forget_all()
        work_off()
        require_right()

    def test_of_which_one_is_stopped_inside_its_commit_do_not_wait_forever(
        self, floor: Floor, settings: Any
    ) -> None:
        """The database ends the transaction of the stopped one; when it wakes up, nothing it did counts."""
        settings.MARKET_CLAIM_SECONDS = 1
        floor.place(100, seed=2)
        connections.close_all()
        child = os.fork()
        if child == 0:
            settlement.Settlement.write = stop_then(settlement.Settlement.write)  # type: ignore[method-assign]
            try:
                worker.drain_shard(shard=SHARD, now=floor.now)
            finally:
                os._exit(0)
        os.waitpid(child, os.WUNTRACED)
        until(lambda: worker.drain_shard(shard=SHARD, now=floor.now) and not drain.has_work(SHARD))
        trades = Trade.objects.count()
        os.kill(child, signal.SIGCONT)
        os.waitpid(child, 0)
        assert Trade.objects.count() == trades
        require_right()


class TestWakeUps:
    def test_may_ring_a_hundred_times_and_late(self, floor: Floor) -> None:
        floor.place(100, seed=4)

        def ring_often() -> None:
            for _ in range(25):
                tasks.drain_shard(shard=SHARD)

        race(*[ring_often] * 4)
        tasks.drain_shard(shard=SHARD)
        assert not drain.has_work(SHARD)
        require_right()

    def test_that_are_lost_with_redis_are_made_up_for_by_the_sweep(self, floor: Floor) -> None:
        floor.place(50, seed=5)
        redis.Redis.from_url(django_settings.REDIS_URL).flushall()
        assert selectors.backlog()[SHARD] > 0
        for shard, waiting in selectors.backlog().items():
            if waiting:
                worker.drain_shard(shard=shard, now=floor.now)
        assert selectors.backlog()[SHARD] == 0
        require_right()


class OneByOne:
    """In place of the group commit: as if every request had come to a process of its own."""

    def do(self, wanted: Any) -> Any:
        return services._accept([wanted])[0]


@pytest.fixture(params=["each in its own commit", "in one commit"])
def _in_any_company(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "in one commit":
        monkeypatch.setattr(services, "_together", OneByOne())


class TestClients:
    def test_on_one_product_and_on_many_while_workers_drain(self, floor: Floor) -> None:
        other = Floor(shard=2)
        finished = Event()

        def work() -> None:
            while not finished.wait(0.002):
                for shard in (1, 2):
                    worker.drain_shard(shard=shard, now=floor.now)

        def trade(place: Floor, seed: int) -> None:
            place.place(80, seed=seed)

        def all_clients() -> None:
            try:
                outcomes = race(
                    partial(trade, floor, 1),
                    partial(trade, floor, 2),
                    partial(trade, other, 3),
                    partial(trade, other, 4),
                )
                assert set(kinds(outcomes)) <= {"NoneType", "OrderNotOpen"}
            finally:
                finished.set()

        outcomes = race(work, work, all_clients)
        assert kinds(outcomes) == ["NoneType"] * 3
        for shard in (1, 2):
            work_off(shard)
            require_right(shard)

    @pytest.mark.usefixtures("_in_any_company")
    def test_that_retry_after_a_lost_answer_have_one_order(self, floor: Floor) -> None:
        buyer = floor.buyers[0]
        wanted = floor.wanted(BUY, random.Random(1))
        place = partial(
            services.place_order,
            actor=buyer,
            namespace_id=namespace_of(buyer),
            request=wanted,
            now=floor.now,
        )
        outcomes = race(*[place] * 6)
        assert len({order.pk for order in outcomes if isinstance(order, Order)}) == 1
        assert kinds(outcomes) == ["Order"] * 6
        assert Command.objects.filter(kind="new").count() == 1

    @pytest.mark.usefixtures("_in_any_company")
    def test_that_use_one_id_for_two_orders_get_one(self, floor: Floor) -> None:
        buyer = floor.buyers[0]
        wanted = floor.wanted(BUY, random.Random(1))
        other = replace(wanted, gpus=wanted.gpus + 1)
        outcomes = race(
            *[
                partial(
                    services.place_order,
                    actor=buyer,
                    namespace_id=namespace_of(buyer),
                    request=each,
                    now=floor.now,
                )
                for each in (wanted, other)
            ]
        )
        assert kinds(outcomes) == sorted([ClientOrderIdReused.__name__, "Order"])

    def test_that_come_together_share_a_commit_and_each_has_its_own_answer(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        floor.buyers.append(exchange.rich(1))
        chance = random.Random(1)
        orders = [(buyer, replace(floor.wanted(BUY, chance), gpus=9)) for buyer in floor.buyers * 2]
        orders.append((floor.buyers[0], replace(orders[0][1], product="unheard-of", client_order_id="x")))
        first_is_busy, others_have_come = Event(), Event()
        accept = services._accept

        def accept_slowly(wanted: Sequence[Any]) -> list[Any]:
            if not first_is_busy.is_set():
                first_is_busy.set()
                assert others_have_come.wait(10)
            return accept(wanted)

        group_commit = GroupCommit(accept_slowly)
        monkeypatch.setattr(services, "_together", group_commit)

        def place(number: int) -> Order:
            who, wanted = orders[number]
            assert number == 0 or first_is_busy.wait(10)
            return services.place_order(
                actor=who, namespace_id=namespace_of(who), request=wanted, now=floor.now
            )

        def watch() -> None:
            until(lambda: len(group_commit._waiting) >= len(orders) - 1)
            others_have_come.set()

        *outcomes, _ = race(*[partial(place, number) for number in range(len(orders))], watch)
        expected = ["Order"] * 8 + ["InsufficientFunds"] * 2 + ["ProductNotFound"]
        assert kinds(outcomes) == sorted(expected)
        placed = {order.client_order_id for order in outcomes if isinstance(order, Order)}
        assert placed == {wanted.client_order_id for who, wanted in orders[:10] if who != floor.buyers[4]}
        commits = Command.objects.filter(kind="new").values_list(
            RawSQL("matching_command.xmin", []), flat=True
        )
        assert sorted(Counter(commits).values()) == [1, 7]
        work_off()
        assert checks.audit() == []
        assert ledger_checks.audit() == []

    def test_of_one_node_cannot_offer_it_twice(self, floor: Floor) -> None:
        owner = floor.sellers[0]
        wanted = replace(floor.wanted(SELL, random.Random(1)), gpus=200)

        def offer(name: str) -> Order:
            return services.place_order(
                actor=owner,
                namespace_id=namespace_of(owner),
                request=replace(wanted, client_order_id=name),
                now=floor.now,
            )

        assert kinds(race(partial(offer, "a"), partial(offer, "b"))) == ["CapacityTaken", "Order"]


class TestKilledWorkers:
    def test_leave_nothing_half_done(self, floor: Floor) -> None:
        chance = random.Random(11)
        killed_at_work = 0
        for kill in range(KILLS):
            floor.place(60, seed=100 + kill)
            waiting = selectors.backlog()[SHARD]
            self.kill_a_worker_after(chance.uniform(0.0, 0.12))
            left = selectors.backlog()[SHARD]
            killed_at_work += 0 < left <= waiting
            Cursor.objects.filter(shard=SHARD).update(held_until=None)
        assert killed_at_work > 0
        work_off()
        require_right()
        held = Account.objects.filter(kind="main").values_list("held_micros", "balance_micros")
        assert all(0 <= hold <= balance for hold, balance in held)

    @staticmethod
    def kill_a_worker_after(seconds: float) -> None:
        """A process that drains is killed with SIGKILL, before, in or after one of its commits."""
        connections.close_all()
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                shard_engines.forget_all()
                Cursor.objects.exists()
                os.write(tell, b".")
                worker.drain_shard(shard=SHARD, now=database_now())
                signal.pause()
            finally:
                os._exit(0)
        os.read(ready, 1)
        pause(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)
