"""Events of accounts while several readers number and read them: nobody misses or repeats one."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from threading import Event

import pytest

from compute_market.ledger import account_events
from compute_market.ledger.account_events import NumberedEvent
from compute_market.ledger.models import Account, AccountStream
from compute_market.matching.clearing import drain, shard_engines, worker
from compute_market.matching.models import Order, Trade
from foundation.clock import database_now
from tests.concurrency.compute_market.test_matching_races import Floor
from tests.concurrency.races import race
from tests.factories.market import namespace_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

READERS = 3


def reader(account: int, seed: int, done: Event, seen: list[NumberedEvent]) -> None:
    """Reads some events, forgets all but the last number it has, and reads on from there."""
    chance, after = random.Random(seed), 0
    while True:
        was_done = done.is_set()
        found = account_events.read(account, after=after, limit=chance.randrange(1, 8))
        # A connection that breaks has delivered some of what was sent.
        taken = found[: chance.randrange(1, len(found) + 1)] if found else []
        seen += taken
        after = taken[-1].number if taken else after
        if was_done and not found:
            return


def traded(floor: Floor, done: Event) -> None:
    """Two traders' worth of orders, drained as they come."""
    try:
        for seed in range(8):
            floor.place(60, seed)
            worker.drain_shard(shard=floor.shard, now=database_now())
        assert not drain.has_work(floor.shard)
    finally:
        done.set()


@pytest.mark.parametrize("shards", [1, 2])
def test_readers_see_every_event_once_and_in_order(shards: int) -> None:
    shard_engines.forget_all()
    floors = [Floor(number) for number in range(1, shards + 1)]
    for floor in floors[1:]:
        floor.buyers, floor.sellers = floors[0].buyers, floor.sellers
    account = Account.objects.get(namespace=namespace_of(floors[0].buyers[0]), kind="main").pk
    account_events.follow(account)
    ends = [Event() for _ in floors]
    seen: list[list[NumberedEvent]] = [[] for _ in range(READERS)]
    all_done = Event()

    def work() -> None:
        try:
            for floor, end in zip(floors, ends, strict=True):
                traded(floor, end)
        finally:
            all_done.set()

    readers: list[Callable[[], None]] = [
        partial(reader, account, number, all_done, seen[number]) for number in range(READERS)
    ]
    assert race(work, *readers) == [None] * (1 + READERS)
    count = AccountStream.objects.get(account=account).last_number
    assert count > 5
    for found in seen:
        assert [event.number for event in found] == list(range(1, count + 1))
    assert seen[0] == seen[1] == seen[2]
    newest: dict[int, list[object]] = {}
    told = []
    for event in seen[0]:
        for row in event.payload.get("orders", ()):
            assert row[10] >= newest.get(row[0], [0])[-1]
            newest[row[0]] = row[6:11]
        told += [row[0] for row in event.payload.get("fills", ())]
    recorded = Order.objects.filter(account=account)
    assert newest == {
        o.pk: [o.state, o.filled_gpu_minutes, o.open_gpu_minutes, o.cancelled_gpu_minutes, o.version]
        for o in recorded
    }
    assert sorted(told) == sorted(Trade.objects.filter(buyer=account).values_list("pk", flat=True))
    balance = [row for event in seen[0] for row in event.payload.get("balances", ())][-1]
    kept = Account.objects.get(pk=account)
    assert balance == ["main", kept.balance_micros, kept.held_micros]
    shard_engines.forget_all()
